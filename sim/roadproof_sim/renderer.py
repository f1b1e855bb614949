"""Pictures and instance masks of a moment, off screen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from direct.showbase.ShowBase import ShowBase
from panda3d.core import (
    BitMask32,
    CardMaker,
    FrameBufferProperties,
    GraphicsOutput,
    GraphicsPipe,
    Material,
    NodePath,
    OmniBoundingVolume,
    PerspectiveLens,
    Shader,
    Texture,
    TransparencyAttrib,
    WindowProperties,
    loadPrcFileData,
)
from panda3d.core import Camera as PandaCamera

from .assets import VEHICLES, Library, assets_folder
from .camera import Camera
from .street import Street
from .weather import Weather
from .world import LANE_X, Actor

SHADERS = Path(__file__).parent / "shaders"
# EGL's pipe takes no display. Large textures only cost time here.
SETTINGS = """
window-type none
audio-library-name null
load-display p3headlessgl
aux-display p3headlessgl
gl-version 3 2
max-texture-dimension 1024
textures-power-2 none
notify-level-device fatal
notify-level-pnmimage fatal
notify-level-display error
notify-level-egldisplay error
model-cache-dir
"""
SAMPLES = 4
HEADLIGHT_HEIGHT_M = 0.7


class RendererError(RuntimeError):
    """No picture can be made here."""


@dataclass(frozen=True)
class View:
    """What a camera sees: RGB (height, width, 3), and per pixel the number of an actor, 0 for none."""

    rgb: np.ndarray
    numbers: np.ndarray


class Renderer:
    """One street, and a pair of off-screen buffers for each camera."""

    def __init__(self, cameras: list[Camera], seed: int) -> None:
        loadPrcFileData("roadproof_sim", SETTINGS)
        self._base = ShowBase(windowType="none")
        self._library = Library(assets_folder())
        self._seed = seed
        root = self._base.render
        self._root = root
        root.setShader(self._shader("surface.vert", "surface.frag"))
        for name, value in (("gloss", 0.0), ("glow", 0.0), ("identity", (0.0, 0.0, 0.0))):
            root.setShaderInput(name, value)
        root.setTransparency(TransparencyAttrib.MNone)
        # What has no material of its own, as the street.
        plain = Material()
        plain.setBaseColor((1, 1, 1, 1))
        root.setMaterial(plain)
        self._street = Street(root, self._library, seed)
        self._sky = self._dome()
        self._shown: dict[str, NodePath] = {}
        self._shadow = self._blob()
        self._views = {camera.name: _Buffers(self._base, root, camera) for camera in cameras}

    def render(self, actors: list[Actor], ego_y: float, time_s: float, frame: int, weather: Weather) -> dict[str, View]:
        """The moment as each camera sees it. Actor i has the number i + 1."""
        self._place(actors)
        self._street.follow(ego_y)
        self._street.light(weather.lamps)
        self._sky.setPos(LANE_X, ego_y, 0)
        for name in ("sun", "ambient", "sky", "horizon", "to_sun"):
            self._root.setShaderInput(name, tuple(getattr(weather, name)))
        self._root.setShaderInput("extinction", weather.extinction_per_m)
        self._root.setShaderInput("wetness", weather.wetness)
        self._root.setShaderInput("headlights", weather.headlights)
        self._root.setShaderInput("lamp", (LANE_X, ego_y + 1.8, HEADLIGHT_HEIGHT_M))
        self._root.setShaderInput("heading", (0.0, 1.0, -0.03))
        found = {}
        for index, (name, buffers) in enumerate(self._views.items()):
            # The eye is one camera's, so each camera gets a pass of its own.
            for other, others in self._views.items():
                others.activate(other == name)
            buffers.look(ego_y, weather, time_s)
            self._base.graphicsEngine.renderFrame()
            view = buffers.read()
            noise = np.random.default_rng([self._seed, 2, frame, index])
            found[name] = View(with_noise(view.rgb, weather.noise, noise), view.numbers)
        return found

    def corners(self, actor: Actor) -> np.ndarray:
        """The eight corners (8, 3), in the world, of the actor's box. Nobody's heading but 0 and 180 degrees."""
        low, high = self._shown[actor.key].find("**/+GeomNode").getTightBounds(self._root)
        return np.array([[x, y, z] for x in (low.x, high.x) for y in (low.y, high.y) for z in (low.z, high.z)])

    def close(self) -> None:
        self._base.destroy()

    def _place(self, actors: list[Actor]) -> None:
        wanted = {actor.key for actor in actors}
        for key in [key for key in self._shown if key not in wanted]:
            self._shown.pop(key).removeNode()
        for number, actor in enumerate(actors, start=1):
            node = self._shown.get(actor.key)
            look = f"{actor.model}/{actor.variant}"
            if node is not None and node.getTag("look") != look:
                node.removeNode()
                node = None
            if node is None:
                node = self._library.take(actor.model, actor.variant)
                node.setTag("look", look)
                node.reparentTo(self._root)
                if actor.model in VEHICLES:
                    node.setShaderInput("gloss", 1.0)
                    self._shadow.copyTo(node)
                self._shown[actor.key] = node
            node.setPosHpr(actor.x, actor.y, 0.14 if actor.model == "pedestrian" else 0.0, actor.heading, 0, 0)
            node.setShaderInput("identity", ((number & 255) / 255, (number >> 8) / 255, 0.0))

    def _dome(self) -> NodePath:
        maker = CardMaker("sky")
        dome = self._root.attachNewNode("sky")
        far = 400.0
        maker.setFrame(-far, far, -far, far)
        for heading in (0, 90, 180, 270):
            wall = dome.attachNewNode(maker.generate())
            wall.setH(heading)
            wall.setPos(wall.getQuat().xform((0, far, 0)))
        lid = dome.attachNewNode(maker.generate())
        lid.setP(90)
        lid.setZ(far)
        dome.setShader(self._shader("surface.vert", "sky.frag"))
        dome.setTwoSided(True)
        dome.setBin("background", 0)
        dome.setDepthWrite(False)
        return dome

    def _blob(self) -> NodePath:
        """The dark below a car, which ties it to the road."""
        pixels = np.zeros((32, 32, 4), np.uint8)
        at = np.abs(np.linspace(-1, 1, 32))
        edge = np.clip((1 - np.maximum(at[:, None], at[None, :])) * 4, 0, 1)
        pixels[..., 3] = (edge * 190).astype(np.uint8)
        texture = Texture()
        texture.setup2dTexture(32, 32, Texture.T_unsigned_byte, Texture.F_rgba)
        texture.setRamImage(pixels.tobytes())
        maker = CardMaker("shadow")
        maker.setFrame(-1.05, 1.05, -2.5, 2.5)
        card = NodePath(maker.generate())
        card.setP(-90)
        card.setZ(0.02)
        card.flattenLight()
        card.setTexture(texture)
        card.setTransparency(TransparencyAttrib.MAlpha)
        card.setDepthWrite(False)
        card.setBin("fixed", 0)
        card.setShaderInput("gloss", 0.0)
        card.hide(_Buffers.NUMBERS)
        return card

    @staticmethod
    def _shader(vertex: str, fragment: str) -> Shader:
        return load_shader(vertex, fragment)


def load_shader(vertex: str, fragment: str) -> Shader:
    shader = Shader.load(Shader.SL_GLSL, str(SHADERS / vertex), str(SHADERS / fragment))
    if shader is None:
        raise RendererError(f"the shaders {vertex} and {fragment} in {SHADERS} cannot be read")
    return shader


def with_noise(rgb: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """A sensor's noise, in grey levels."""
    noise = rng.standard_normal(rgb.shape, np.float32) * deviation
    return np.clip(np.rint(rgb + noise), 0, 255).astype(np.uint8)


class _Buffers:
    """The two off-screen buffers of one camera."""

    PICTURE = BitMask32.bit(1)
    NUMBERS = BitMask32.bit(2)

    def __init__(self, base: ShowBase, root: NodePath, camera: Camera) -> None:
        self._camera = camera
        self._root = root
        lens = PerspectiveLens()
        lens.setAspectRatio(camera.width / camera.height)
        lens.setFov(camera.horizontal_fov_deg)
        lens.setNearFar(0.3, 900.0)
        self._picture, self._picture_texture = self._buffer(base, camera, SAMPLES)
        self._numbers, self._numbers_texture = self._buffer(base, camera, 0)
        self._eyes = []
        for output, mask in ((self._picture, self.PICTURE), (self._numbers, self.NUMBERS)):
            eye = PandaCamera(camera.name, lens)
            eye.setCameraMask(mask)
            node = root.attachNewNode(eye)
            output.makeDisplayRegion().setCamera(node)
            self._eyes.append(node)
        identity = load_shader("surface.vert", "identity.frag")
        state = NodePath("identity")
        state.setShader(identity, 1000)
        state.setTransparency(TransparencyAttrib.MNone, 1000)
        self._eyes[1].node().setInitialState(state.getState())
        self._lens_card = self._card()

    def _buffer(self, base: ShowBase, camera: Camera, samples: int) -> tuple[GraphicsOutput, Texture]:
        wanted = FrameBufferProperties()
        wanted.setRgbaBits(8, 8, 8, 8)
        wanted.setDepthBits(24)
        wanted.setMultisamples(samples)
        size = WindowProperties.size(camera.width, camera.height)
        if base.pipe is None:
            base.makeDefaultPipe(printPipeTypes=False)
        output = base.graphicsEngine.makeOutput(
            base.pipe, camera.name, 0, wanted, size, GraphicsPipe.BFRefuseWindow, *self._sharing(base)
        )
        if output is None:
            raise RendererError(
                "no off-screen buffer can be opened; expected EGL with OpenGL 3.2 (Debian: libegl1, libgl1-mesa-dri)"
            )
        base.roadproof_gsg = output.getGsg()
        base.roadproof_host = output
        output.setClearColor((0, 0, 0, 0))
        texture = Texture()
        output.addRenderTexture(texture, GraphicsOutput.RTMCopyRam)
        return output, texture

    @staticmethod
    def _sharing(base: ShowBase) -> tuple:
        host = getattr(base, "roadproof_host", None)
        return () if host is None else (base.roadproof_gsg, host)

    def _card(self) -> NodePath:
        maker = CardMaker("lens")
        maker.setFrame(-1, 1, -1, 1)
        card = NodePath(maker.generate())
        card.setShader(load_shader("lens.vert", "lens.frag"))
        card.setTransparency(TransparencyAttrib.MAlpha)
        card.setDepthTest(False)
        card.setDepthWrite(False)
        card.setBin("fixed", 100)
        card.hide(self.NUMBERS)
        card.node().setBounds(OmniBoundingVolume())
        card.node().setFinal(True)
        card.reparentTo(self._root)
        return card

    def activate(self, active: bool) -> None:
        self._picture.setActive(active)
        self._numbers.setActive(active)
        if active:
            self._lens_card.show()
        else:
            self._lens_card.hide()

    def look(self, ego_y: float, weather: Weather, time_s: float) -> None:
        position, heading = self._camera.pose(LANE_X, ego_y)
        for eye in self._eyes:
            eye.setPosHpr(*position, heading, 0, 0)
        self._root.setShaderInput("eye", position)
        place, depth = self._camera.project(np.array(position) + 100 * np.array([weather.to_sun]), LANE_X, ego_y)
        width, height = self._camera.width, self._camera.height
        self._lens_card.setShaderInput(
            "sun_place", (float(place[0, 0] / width * 2 - 1), float(1 - place[0, 1] / height * 2), float(depth[0] > 0))
        )
        bright = [min(1.0, value / max(max(weather.sun), 1e-6)) for value in weather.sun]
        self._lens_card.setShaderInput("veil_colour", tuple(bright))
        self._lens_card.setShaderInput("veil", weather.veil)
        self._lens_card.setShaderInput("rain", weather.rain)
        self._lens_card.setShaderInput("rain_colour", tuple(min(1.0, 1.5 * value) for value in weather.horizon))
        self._lens_card.setShaderInput("seconds", float(time_s))
        self._lens_card.setShaderInput("aspect", width / height)

    def read(self) -> View:
        shape = (self._camera.height, self._camera.width, 4)
        images = []
        for texture in (self._picture_texture, self._numbers_texture):
            if not texture.hasRamImage():
                raise RendererError("nothing was rendered; is Mesa's software renderer installed (libgl1-mesa-dri)?")
            flat = np.frombuffer(texture.getRamImageAs("RGBA"), np.uint8).reshape(shape)
            images.append(flat[::-1])
        numbers = images[1][..., 0].astype(np.int32) + (images[1][..., 1].astype(np.int32) << 8)
        return View(np.ascontiguousarray(images[0][..., :3]), numbers)
