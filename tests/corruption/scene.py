"""The picture that fidelity is looked at on."""

from __future__ import annotations

import cv2
import numpy as np


def scene(width: int, height: int, seed: int) -> np.ndarray:
    """Shapes on shading with some texture: like a photograph in its edges and its spectrum."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    shading = np.stack([x * 150 / width + 30, y * 120 / height + 50, 180 - x * 100 / width], axis=2)
    picture = shading.astype(np.uint8)
    for _ in range(40):
        centre = (int(random.integers(width)), int(random.integers(height)))
        colour = tuple(int(c) for c in random.integers(0, 256, 3))
        cv2.circle(picture, centre, int(random.integers(4, height // 4)), colour, -1, cv2.LINE_AA)
    texture = cv2.GaussianBlur(random.normal(0, 40, picture.shape), (0, 0), 1.2)
    return np.clip(picture + texture, 0, 255).astype(np.uint8)
