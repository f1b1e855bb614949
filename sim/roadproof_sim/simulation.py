"""Frames of the simulated drive: pictures, ground truth, weather."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .assets import CLASS_OF_MODEL
from .camera import Camera
from .renderer import Renderer
from .truth import Box, Limits, boxes_of_masks, label, whole_box
from .weather import WEATHERS
from .world import LANE_X, World


@dataclass(frozen=True)
class Shot:
    """One camera's part of a frame."""

    rgb: np.ndarray
    boxes: list[Box]


class Simulation:
    """A drive of a seed, seen by some cameras. A frame depends on its number, the rate and the weather alone."""

    def __init__(self, cameras: list[Camera], seed: int, rate_hz: float, density: float = 1.0) -> None:
        self._cameras = {camera.name: camera for camera in cameras}
        self._rate_hz = rate_hz
        self._world = World(seed, density)
        self._renderer = Renderer(cameras, seed)

    def frame(self, number: int, weather: str, limits: Limits) -> dict[str, Shot]:
        """Frame `number`, by camera."""
        time_s = number / self._rate_hz
        actors = self._world.actors(time_s)
        ego_y = self._world.ego_y(time_s)
        views = self._renderer.render(actors, ego_y, time_s, number, WEATHERS[weather])
        shots = {}
        for name, view in views.items():
            camera = self._cameras[name]
            boxes = []
            for index, seen in boxes_of_masks(view.numbers).items():
                actor = actors[index - 1]
                corners = self._renderer.corners(actor)
                whole = whole_box(*camera.project(corners, LANE_X, ego_y), camera.width, camera.height)
                boxes.append(label(actor.key, CLASS_OF_MODEL[actor.model], seen, whole, limits))
            shots[name] = Shot(view.rgb, [box for box in boxes if box is not None])
        return shots

    def close(self) -> None:
        self._renderer.close()
