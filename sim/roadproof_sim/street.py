"""The street itself: road, pavements, houses, trees, poles. It repeats, and moves along with the ego."""

from __future__ import annotations

import numpy as np
from panda3d.core import NodePath

from .assets import Library, quads, texture_of
from .world import CROSSING_EVERY_M, FACADE_X, HORIZON_M, KERB_X

# Everything repeats after this many metres, a multiple of the distance of crossings.
PERIOD_M = 4 * CROSSING_EVERY_M
KERB_HEIGHT_M = 0.14


def flat(x: tuple[float, float], y: tuple[float, float], z: float) -> np.ndarray:
    """A horizontal rectangle."""
    return np.array([[x[0], y[0], z], [x[1], y[0], z], [x[1], y[1], z], [x[0], y[1], z]])


def upright(a: tuple[float, float], b: tuple[float, float], z: tuple[float, float]) -> np.ndarray:
    """A vertical rectangle over the line from a to b, seen from the right of that line."""
    return np.array([[*a, z[0]], [*b, z[0]], [*b, z[1]], [*a, z[1]]])


def asphalt(rng: np.random.Generator) -> np.ndarray:
    grain = rng.normal(0.0, 9.0, (256, 256))
    patches = np.kron(rng.normal(0.0, 4.0, (16, 16)), np.ones((16, 16)))
    return np.clip(np.stack([grain + patches + level for level in (88, 89, 92)], axis=-1), 0, 255).astype(np.uint8)


def facade(rng: np.random.Generator) -> np.ndarray:
    """A wall of 12 m by 12 m with four by four windows."""
    wall = np.array([150, 143, 134]) + rng.integers(-12, 12, 3)
    pixels = wall + rng.normal(0.0, 6.0, (256, 256, 1))
    for row in range(4):
        for column in range(4):
            top, left = row * 64 + 12, column * 64 + 18
            pixels[top - 3 : top + 41, left - 3 : left + 31] = wall * 1.2
            pixels[top : top + 38, left : left + 28] = (46, 54, 64)
    return np.clip(pixels, 0, 255).astype(np.uint8)


# The windows of `facade` in metres: pitch, first edge along the wall and above the road, size.
WINDOW_PITCH_M, WINDOW_X_M, WINDOW_Z_M, WINDOW_SIZE_M = 3.0, 0.84, 0.66, (1.31, 1.78)


class Street:
    """Nodes below `root`; `follow` puts them where the ego is."""

    def __init__(self, root: NodePath, library: Library, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        self._nodes = root.attachNewNode("street")
        period = self._nodes.attachNewNode("period")
        self._ground(period, library, rng)
        self._houses(period, rng)
        self._furniture(period, library, rng)
        for part in period.getChildren():
            part.flattenStrong()
        for shift in (-1, 1):
            copy = period.copyTo(self._nodes)
            copy.setY(shift * PERIOD_M)
        assert HORIZON_M < PERIOD_M / 2

    def follow(self, ego_y: float) -> None:
        self._nodes.setY(round(ego_y / PERIOD_M) * PERIOD_M)

    def light(self, lamps: float) -> None:
        """Brightness of windows and lamps."""
        for node in self._nodes.findAllMatches("**/shining"):
            node.setShaderInput("glow", lamps * 1.2)
            node.show() if lamps > 0 else node.hide()

    def _ground(self, parent: NodePath, library: Library, rng: np.random.Generator) -> None:
        y = (-PERIOD_M / 2, PERIOD_M / 2)
        road = flat((-KERB_X, KERB_X), y, 0.0)[None]
        node = quads("road", road, road[..., :2] / 6.0, np.ones((1, 4)))
        node.setTexture(texture_of(asphalt(rng)))
        node.reparentTo(parent)

        lines = [flat((side * 3.55 - 0.07, side * 3.55 + 0.07), y, 0.012) for side in (-1, 1)]
        for start in np.arange(y[0], y[1], 6.0):
            if abs(start - round(start / CROSSING_EVERY_M) * CROSSING_EVERY_M) > 8:
                lines.append(flat((-0.07, 0.07), (start, start + 3.0), 0.012))
        for crossing in np.arange(y[0], y[1], CROSSING_EVERY_M):
            for x in np.arange(-KERB_X + 0.3, KERB_X - 0.3, 0.95):
                lines.append(flat((x, x + 0.5), (crossing + 1.0, crossing + 4.0), 0.012))
        corners = np.array(lines)
        node = quads("lines", corners, corners[..., :2], np.tile([0.62, 0.62, 0.60, 1.0], (len(corners), 1)))
        node.setTexture(texture_of(np.full((4, 4, 3), 255, np.uint8)))
        node.reparentTo(parent)

        paved = []
        for side in (-1, 1):
            inner, outer = sorted((side * KERB_X, side * (FACADE_X + 0.5)))
            paved.append(flat((inner, outer), y, KERB_HEIGHT_M))
            ends = ((KERB_X * side, y[1]), (KERB_X * side, y[0]))
            paved.append(upright(*(ends if side > 0 else ends[::-1]), (0.0, KERB_HEIGHT_M)))
        corners = np.array(paved)
        node = quads("pavement", corners, corners[..., :2] / 2.5, np.tile([0.4, 0.4, 0.42, 1.0], (len(corners), 1)))
        node.setTexture(library.texture("sidewalk", "color.png"))
        node.reparentTo(parent)

    def _houses(self, parent: NodePath, rng: np.random.Generator) -> None:
        kinds: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[], [], []]
        for side in (-1, 1):
            y = -PERIOD_M / 2
            while y < PERIOD_M / 2 - 1:
                length = min(float(rng.uniform(10, 22)), PERIOD_M / 2 - y)
                height = float(rng.uniform(7, 16))
                x = side * (FACADE_X + float(rng.uniform(0.0, 0.8)))
                back = side * (FACADE_X + 12)
                tint = np.append((1.0 + rng.uniform(-0.15, 0.15, 3)) * rng.uniform(0.35, 0.85), 1.0)
                sides = [((x, y + length), (x, y)), ((x, y), (back, y)), ((back, y + length), (x, y + length))]
                kind = int(rng.integers(3))
                for a, b in sides:
                    ends = (a, b) if side > 0 else (b, a)
                    wide = np.hypot(a[0] - b[0], a[1] - b[1])
                    uv = np.array([[0, 0], [wide / 12, 0], [wide / 12, height / 12], [0, height / 12]])
                    kinds[kind].append((upright(*ends, (0.0, height)), uv, tint))
                y += length + (float(rng.uniform(1.5, 5)) if rng.random() < 0.3 else 0.0)
        for kind, walls in enumerate(kinds):
            corners, uv, tint = (np.array(part) for part in zip(*walls, strict=True))
            node = quads(f"houses{kind}", corners, uv, tint)
            node.setTwoSided(True)
            node.setTexture(texture_of(facade(rng)))
            node.setShaderInput("gloss", 0.1)
            node.reparentTo(parent)
        self._shining(parent, [wall for walls in kinds for wall, _, _ in walls], rng)

    def _shining(self, parent: NodePath, walls: list[np.ndarray], rng: np.random.Generator) -> None:
        """Windows with light behind them, three in ten of those that face the street."""
        windows = []
        for wall in walls:
            start, along = wall[0], wall[1] - wall[0]
            length = np.linalg.norm(along)
            if abs(along[0]) > abs(along[1]):
                continue
            along = along / length
            inward = np.array([-np.sign(start[0]) * 0.05, 0.0, 0.0])
            for column in range(int((length - WINDOW_X_M - WINDOW_SIZE_M[0]) // WINDOW_PITCH_M) + 1):
                for row in range(int(wall[2, 2] // WINDOW_PITCH_M)):
                    if rng.random() >= 0.3:
                        continue
                    left = start + inward + along * (WINDOW_X_M + column * WINDOW_PITCH_M)
                    low = np.array([0.0, 0.0, WINDOW_Z_M + row * WINDOW_PITCH_M])
                    high = low + (0.0, 0.0, WINDOW_SIZE_M[1])
                    right = left + along * WINDOW_SIZE_M[0]
                    windows.append([left + low, right + low, right + high, left + high])
        corners = np.array(windows)
        node = quads("shining", corners, corners[..., 1:], np.tile([0.9, 0.65, 0.32, 1.0], (len(corners), 1)))
        node.setTexture(texture_of(np.full((4, 4, 3), 255, np.uint8)))
        node.setTwoSided(True)
        node.reparentTo(parent)

    def _furniture(self, parent: NodePath, library: Library, rng: np.random.Generator) -> None:
        bars, tints = [], []

        def bar(x: float, y: float, half: float, z: tuple[float, float], tint: tuple[float, ...]) -> None:
            ring = [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]
            for a, b in zip(ring, ring[1:] + ring[:1], strict=True):
                bars.append(upright(a, b, z))
                tints.append(tint)

        steel = (0.10, 0.11, 0.11, 1.0)
        for crossing in np.arange(-PERIOD_M / 2, PERIOD_M / 2, CROSSING_EVERY_M):
            for side in (-1, 1):
                bar(side * (KERB_X + 0.35), crossing + 0.35, 0.06, (0.0, 4.1), steel)
        for y in np.arange(-PERIOD_M / 2 + 15, PERIOD_M / 2, 30.0):
            for side in (-1, 1):
                bar(side * (KERB_X + 0.5), y, 0.08, (0.0, 6.5), steel)
                # A tree between two lamps: a trunk and some boxes of leaves.
                x, along = side * (KERB_X + 0.9), y + 7.5 + float(rng.uniform(-2, 2))
                bar(x, along, 0.14, (0.0, 3.8), (0.09, 0.06, 0.04, 1.0))
                for _ in range(24):
                    dx, dy, dz = rng.normal(0.0, 0.7, 3)
                    half = float(rng.uniform(0.25, 0.5))
                    green = float(rng.uniform(0.06, 0.16))
                    leaf = (green * 0.5, green, green * 0.25, 1.0)
                    z = (4.2 + dz - half, 4.2 + dz + half)
                    bar(x + dx, along + dy, half, z, leaf)
                    for level, order in ((z[1], 1), (z[0], -1)):
                        lid = flat((x + dx - half, x + dx + half), (along + dy - half, along + dy + half), level)
                        bars.append(lid[::order])
                        tints.append(leaf)
        corners = np.array(bars)
        node = quads("furniture", corners, corners[..., :2], np.array(tints))
        node.setTexture(texture_of(np.full((4, 4, 3), 255, np.uint8)))
        node.setTwoSided(True)
        node.reparentTo(parent)
