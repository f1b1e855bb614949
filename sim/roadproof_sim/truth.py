"""Ground truth from instance masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# The class of what is in the picture but should count neither for nor against a detector.
IGNORED = "ignored"
SMALL_OBJECTS = ("omit", "mark")


@dataclass(frozen=True)
class Limits:
    """What an object must have to count. `small` says what becomes of others."""

    min_height_px: int = 16
    min_visibility: float = 0.3
    small: str = "omit"


@dataclass(frozen=True)
class Box:
    """A labelled object; x_min, y_min, x_max, y_max in pixels, where pixel i covers [i, i + 1)."""

    key: str
    class_name: str
    corners: tuple[float, float, float, float]
    visibility: float


def boxes_of_masks(numbers: np.ndarray) -> dict[int, tuple[int, int, int, int]]:
    """The tight box of each number's pixels in (height, width); 0 is no object."""
    flat = numbers.ravel()
    where = np.flatnonzero(flat)
    if where.size == 0:
        return {}
    order = np.argsort(flat[where], kind="stable")
    where = where[order]
    found, starts = np.unique(flat[where], return_index=True)
    rows, columns = np.divmod(where, numbers.shape[1])
    top, bottom = np.minimum.reduceat(rows, starts), np.maximum.reduceat(rows, starts)
    left, right = np.minimum.reduceat(columns, starts), np.maximum.reduceat(columns, starts)
    return {
        int(number): (int(a), int(b), int(c) + 1, int(d) + 1)
        for number, a, b, c, d in zip(found, left, top, right, bottom, strict=True)
    }


def whole_box(
    pixels: np.ndarray, depth: np.ndarray, width: int, height: int
) -> tuple[float, float, float, float] | None:
    """The box of projected points, cut at the picture's edges; None if a point is not before the camera."""
    if (depth <= 0).any():
        return None
    low = np.clip(pixels.min(axis=0), 0, (width, height))
    high = np.clip(pixels.max(axis=0), 0, (width, height))
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def area(box: tuple[float, float, float, float]) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def visibility(seen: tuple[int, int, int, int], whole: tuple[float, float, float, float] | None) -> float:
    """Share of the whole box that the visible pixels' box has [0, 1]; 1 where the whole one is not known.

    The whole box comes from the corners of a box around the object, so it is a little too large: the figure is low
    rather than high.
    """
    if whole is None or area(whole) == 0:
        return 1.0
    return min(1.0, area(seen) / area(whole))


def label(
    key: str,
    class_name: str,
    seen: tuple[int, int, int, int],
    whole: tuple[float, float, float, float] | None,
    limits: Limits,
) -> Box | None:
    """The object as it is published; None if it is left out."""
    share = visibility(seen, whole)
    if seen[3] - seen[1] < limits.min_height_px or share < limits.min_visibility:
        if limits.small == "omit":
            return None
        class_name = IGNORED
    return Box(key, class_name, tuple(map(float, seen)), share)
