"""MetaDrive's models, textures of the street, and how both become Panda3D nodes.

Sizes and offsets come from MetaDrive 0.3.0.1, `component/vehicle/vehicle_type.py`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import gltf
import numpy as np
from direct.actor.Actor import Actor as AnimatedActor
from panda3d.core import (
    Geom,
    GeomNode,
    GeomTriangles,
    GeomVertexData,
    GeomVertexFormat,
    GeomVertexWriter,
    Loader,
    Material,
    MaterialAttrib,
    NodePath,
    SamplerState,
    Texture,
    Thread,
)

from .world import GAIT_POSES

PAINT_COLOURS = {
    "red": (0.45, 0.02, 0.02),
    "white": (0.75, 0.75, 0.73),
    "silver": (0.35, 0.36, 0.38),
    "blue": (0.03, 0.08, 0.30),
    "black": (0.015, 0.015, 0.018),
    "green": (0.03, 0.16, 0.07),
    "yellow": (0.60, 0.38, 0.02),
}


@dataclass(frozen=True)
class VehicleAsset:
    """One vehicle of MetaDrive; lengths in metres."""

    tyre_radius: float
    wheel_x: float
    front_wheel_y: float
    rear_wheel_y: float
    offset_y: float
    offset_z: float
    # Which side the wheel's model is made for.
    wheel_side: int = 1
    axle_drop: float = 0.2
    # Materials that are paint. Others have their colour in a texture.
    paint: tuple[str, ...] = ()


VEHICLES = {
    "ferra": VehicleAsset(0.313, 0.815, 1.05234, -1.4166, 0.0, 0.0, paint=("carpaint",)),
    "truck": VehicleAsset(0.37, 0.931, 1.726, -1.075, 0.3, 0.04, -1, 0.3, ("body.002",)),
    "lada": VehicleAsset(0.39, 0.75, 1.391, -1.10751, -0.25, 0.07),
    "130": VehicleAsset(0.39, 0.803, 1.285, -1.203, -0.05, 0.07, paint=("body.001", "body2.001")),
    "beetle": VehicleAsset(0.376, 0.7, 1.4126, -1.07, -0.2, 0.03),
}
# The pedestrian's animation.
WALK = "Take 001"

# COCO's names, as the models' manifests have them.
CLASS_OF_MODEL = {
    "ferra": "car",
    "lada": "car",
    "130": "car",
    "beetle": "car",
    "truck": "truck",
    "pedestrian": "person",
    "light_green": "traffic light",
    "light_red": "traffic light",
}


class AssetError(RuntimeError):
    """The assets are not where they were looked for."""


def assets_folder() -> Path:
    """MetaDrive's assets: $ROADPROOF_SIM_ASSETS, or where scripts/setup_sim.sh puts them."""
    folder = Path(os.environ.get("ROADPROOF_SIM_ASSETS") or Path(sys.prefix) / "metadrive" / "assets")
    if not (folder / "models" / "vehicle").is_dir():
        raise AssetError(
            f"expected MetaDrive's assets (models/vehicle and others) in {folder}, found none; "
            "run scripts/setup_sim.sh, or set ROADPROOF_SIM_ASSETS"
        )
    return folder


class Library:
    """Loads each model once and gives out copies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loader = Loader.getGlobalPtr()
        self._settings = gltf.GltfSettings(no_srgb=True)
        self._models: dict[tuple[str, str], NodePath] = {}
        self._walker = AnimatedActor(self._load("pedestrian", "scene.gltf"))

    def take(self, model: str, variant: str) -> NodePath:
        """A node that shows the model. A pedestrian's variant is its pose, a vehicle's its paint."""
        if (model, variant) not in self._models:
            if model == "pedestrian":
                node = self._pedestrian(int(variant))
            elif model.startswith("light_"):
                node = self._light(model.removeprefix("light_"))
            else:
                node = self._vehicle(model, variant)
            self._models[model, variant] = node
        return self._models[model, variant].copyTo(NodePath())

    def texture(self, *parts: str) -> Texture:
        """One of MetaDrive's textures, repeated."""
        texture = Texture()
        texture.read(str(self._folder.joinpath("textures", *parts)))
        return tiled(texture)

    def _load(self, *parts: str) -> NodePath:
        path = self._folder.joinpath("models", *parts)
        return NodePath(gltf.converter.load_model(self._loader, str(path), gltf_settings=self._settings))

    def _vehicle(self, model: str, paint: str) -> NodePath:
        asset = VEHICLES[model]
        whole = NodePath(model)
        body = self._load("vehicle", model, "vehicle.gltf")
        body.reparentTo(whole)
        # Bodies are modelled about the chassis' middle, which is this high above the road.
        ground = asset.tyre_radius + asset.axle_drop
        body.setPos(0.0, asset.offset_y, asset.offset_z - asset.tyre_radius - asset.axle_drop + ground)
        repaint(body, asset.paint, PAINT_COLOURS[paint])
        for front, along in ((True, asset.front_wheel_y), (False, asset.rear_wheel_y)):
            name = "right_tire_front.gltf" if front else "right_tire_back.gltf"
            for side in (-1, 1):
                wheel = self._load("vehicle", model, name)
                wheel.setScale(-side * asset.wheel_side)
                wheel.setPos(side * asset.wheel_x, along, asset.tyre_radius)
                wheel.reparentTo(whole)
        whole.flattenStrong()
        return whole

    def _pedestrian(self, pose: int) -> NodePath:
        """One moment of the walk as a fixed shape: skinning every walker anew costs more than drawing it."""
        actor = self._walker
        actor.pose(WALK, pose / GAIT_POSES * actor.getNumFrames(WALK))
        actor.update(force=True)
        holder = NodePath("pedestrian")
        for path in actor.findAllMatches("**/+GeomNode"):
            fixed = GeomNode(path.getName())
            for index in range(path.node().getNumGeoms()):
                geometry = path.node().getGeom(index).makeCopy()
                vertices = geometry.getVertexData().animateVertices(True, Thread.getCurrentThread())
                still = GeomVertexData(vertices)
                still.clearTransformTable()
                geometry.setVertexData(still)
                fixed.addGeom(geometry, path.node().getGeomState(index))
            holder.attachNewNode(fixed).setTransform(path.getTransform(actor))
        holder.setScale(0.01)
        holder.flattenLight()
        return holder

    def _light(self, colour: str) -> NodePath:
        head = self._load("traffic_light", f"{colour}.gltf")
        holder = NodePath("light")
        head.reparentTo(holder)
        head.setScale(1.35)
        head.setZ(3.4)
        head.setShaderInput("glow", 2.5)
        holder.flattenLight()
        return holder


def repaint(model: NodePath, names: tuple[str, ...], colour: tuple[float, float, float]) -> None:
    """Gives the materials of these names another base colour."""
    for path in model.findAllMatches("**/+GeomNode"):
        node = path.node()
        for index in range(node.getNumGeoms()):
            state = node.getGeomState(index)
            attribute = state.getAttrib(MaterialAttrib)
            if attribute is None or attribute.getMaterial().getName() not in names:
                continue
            material = Material(attribute.getMaterial())
            material.setBaseColor((*colour, 1.0))
            node.setGeomState(index, state.setAttrib(MaterialAttrib.make(material)))


def tiled(texture: Texture) -> Texture:
    texture.setWrapU(SamplerState.WM_repeat)
    texture.setWrapV(SamplerState.WM_repeat)
    texture.setMinfilter(SamplerState.FT_linear_mipmap_linear)
    texture.setAnisotropicDegree(4)
    return texture


def texture_of(pixels: np.ndarray) -> Texture:
    """A texture from RGB bytes (height, width, 3)."""
    height, width = pixels.shape[:2]
    texture = Texture()
    texture.setup2dTexture(width, height, Texture.T_unsigned_byte, Texture.F_rgb)
    texture.setRamImageAs(np.ascontiguousarray(pixels[::-1]).tobytes(), "RGB")
    return tiled(texture)


def quads(name: str, corners: np.ndarray, uv: np.ndarray, colour: np.ndarray) -> NodePath:
    """Rectangles: corners (n, 4, 3) anticlockwise, texture coordinates (n, 4, 2), colours (n, 4)."""
    data = GeomVertexData(name, GeomVertexFormat.getV3n3c4t2(), Geom.UHStatic)
    data.setNumRows(corners.shape[0] * 4)
    writers = {what: GeomVertexWriter(data, what) for what in ("vertex", "normal", "color", "texcoord")}
    triangles = GeomTriangles(Geom.UHStatic)
    for index, (quad, places, tint) in enumerate(zip(corners, uv, colour, strict=True)):
        normal = np.cross(quad[1] - quad[0], quad[2] - quad[0])
        normal = normal / np.linalg.norm(normal)
        for corner, place in zip(quad, places, strict=True):
            writers["vertex"].addData3(*map(float, corner))
            writers["normal"].addData3(*map(float, normal))
            writers["color"].addData4(*map(float, tint))
            writers["texcoord"].addData2(*map(float, place))
        first = index * 4
        triangles.addVertices(first, first + 1, first + 2)
        triangles.addVertices(first, first + 2, first + 3)
    geometry = Geom(data)
    geometry.addPrimitive(triangles)
    node = GeomNode(name)
    node.addGeom(geometry)
    return NodePath(node)
