"""Pinhole cameras on the ego vehicle."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# Of the optical centre above the road.
HEIGHT_M = 1.5


@dataclass(frozen=True)
class Mount:
    """Where a camera sits: metres from the middle of the ego vehicle, heading in degrees to the left."""

    x: float
    y: float
    heading: float


# A surround rig's usual places.
MOUNTS = {
    "front": Mount(0.0, 0.8, 0.0),
    "front_left": Mount(-0.5, 0.6, 55.0),
    "front_right": Mount(0.5, 0.6, -55.0),
    "rear": Mount(0.0, -0.8, 180.0),
    "rear_left": Mount(-0.5, -0.6, 125.0),
    "rear_right": Mount(0.5, -0.6, -125.0),
}


@dataclass(frozen=True)
class Camera:
    """A camera without distortion whose pixels are square; the principal point is the image's middle."""

    name: str
    width: int
    height: int
    horizontal_fov_deg: float

    @property
    def frame_id(self) -> str:
        """The frame of REP 103: z along the optical axis, x right, y down."""
        return f"camera_{self.name}_optical"

    @property
    def mount(self) -> Mount:
        return MOUNTS[self.name]

    @property
    def focal_px(self) -> float:
        return self.width / 2 / math.tan(math.radians(self.horizontal_fov_deg) / 2)

    @property
    def matrix(self) -> np.ndarray:
        """K, 3 × 3. A pixel's middle is at whole numbers, as in sensor_msgs/CameraInfo."""
        return np.array(
            [
                [self.focal_px, 0.0, (self.width - 1) / 2],
                [0.0, self.focal_px, (self.height - 1) / 2],
                [0.0, 0.0, 1.0],
            ]
        )

    def pose(self, ego_x: float, ego_y: float) -> tuple[tuple[float, float, float], float]:
        """Position in the world and heading, for an ego that goes along +y."""
        return (ego_x + self.mount.x, ego_y + self.mount.y, HEIGHT_M), self.mount.heading

    def project(self, points: np.ndarray, ego_x: float, ego_y: float) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (n, 2) of points in the world (n, 3), and depths (n,); a pixel i covers [i, i + 1)."""
        position, heading = self.pose(ego_x, ego_y)
        angle = math.radians(heading)
        forward = np.array([-math.sin(angle), math.cos(angle), 0.0])
        right = np.array([math.cos(angle), math.sin(angle), 0.0])
        relative = np.asarray(points, float) - position
        depth = relative @ forward
        with np.errstate(divide="ignore", invalid="ignore"):
            u = self.width / 2 + self.focal_px * (relative @ right) / depth
            v = self.height / 2 - self.focal_px * relative[:, 2] / depth
        return np.stack([u, v], axis=1), depth
