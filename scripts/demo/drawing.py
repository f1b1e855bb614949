"""Annotated frames: boxes as published, a video per camera, and a contact sheet."""

from __future__ import annotations

import colorsys
import dataclasses
import zlib
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np

FONT = cv2.FONT_HERSHEY_DUPLEX
WHITE = (255, 255, 255)
PANEL = (32, 28, 24)
CAPTION_HEIGHT = 26
LABEL_SCALE = 0.42
# Corners are drawn in sixteenths of a pixel.
SUBPIXEL_BITS = 4
TILE_WIDTH = 640
GAP = 8


@dataclasses.dataclass(frozen=True)
class Box:
    """A published detection; the box in pixels of the original image."""

    class_name: str
    score: float
    x_min: float
    y_min: float
    x_max: float
    y_max: float


def class_colour(class_name: str) -> tuple[int, int, int]:
    """Return a BGR colour of its own for each class, dark enough for white letters."""
    hue = zlib.crc32(class_name.encode()) % 360 / 360
    known = {"person": 0.58, "car": 0.03, "truck": 0.10, "bicycle": 0.38, "bus": 0.82, "motorcycle": 0.74}
    red, green, blue = colorsys.hsv_to_rgb(known.get(class_name, hue), 0.85, 0.82)
    return int(blue * 255), int(green * 255), int(red * 255)


def text_at(image: np.ndarray, text: str, x: int, y: int, scale: float, colour: tuple[int, int, int]) -> None:
    """Write `text` with its baseline at `y`."""
    cv2.putText(image, text, (x, y), FONT, scale, colour, 1, cv2.LINE_AA)


def draw(frame: np.ndarray, boxes: list[Box], caption: str) -> np.ndarray:
    """Return a copy of the frame (BGR) with boxes, labels and a caption."""
    image = frame.copy()
    for box in boxes:
        corners = np.array([box.x_min, box.y_min, box.x_max, box.y_max]) * (1 << SUBPIXEL_BITS)
        left, top, right, bottom = (int(round(value)) for value in corners)
        colour = class_colour(box.class_name)
        cv2.rectangle(image, (left, top), (right, bottom), colour, 2, cv2.LINE_AA, SUBPIXEL_BITS)
    # Labels after all boxes, so that no line runs through one; the best first, so that they get the room.
    taken: list[tuple[int, int, int, int]] = [(0, 0, image.shape[1], CAPTION_HEIGHT)]
    for box in sorted(boxes, key=lambda box: -box.score):
        place_label(image, box, taken)
    strip = image[:CAPTION_HEIGHT]
    strip[:] = (strip * 0.35).astype(np.uint8)
    text_at(image, caption, 8, 18, 0.5, WHITE)
    return image


def place_label(image: np.ndarray, box: Box, taken: list[tuple[int, int, int, int]]) -> None:
    """Write class and score where no other label is: above, below, in the box; else the score alone, or nothing."""
    height, width = image.shape[:2]
    for text in (f"{box.class_name} {box.score:.2f}", f"{box.score:.2f}"):
        (text_width, text_height), _ = cv2.getTextSize(text, FONT, LABEL_SCALE, 1)
        label_width, label_height = text_width + 6, text_height + 7
        left = min(max(int(box.x_min) - 1, 0), width - label_width)
        right = min(max(int(box.x_max) + 1 - label_width, 0), width - label_width)
        above, below, inside = int(box.y_min) - label_height, int(box.y_max), int(box.y_min)
        for x, y in ((left, above), (right, above), (left, below), (right, below), (left, inside)):
            area = (x, y, x + label_width, y + label_height)
            if y < 0 or area[3] > height or any(overlap(area, other) for other in taken):
                continue
            taken.append(area)
            cv2.rectangle(image, area[:2], area[2:], class_colour(box.class_name), cv2.FILLED)
            text_at(image, text, x + 3, area[3] - 4, LABEL_SCALE, WHITE)
            return


def overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    """Whether two areas (left, top, right, bottom) have a pixel in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


class CameraRecorder:
    """Puts frames and detections of one camera together by stamp, and writes the video.

    Frames of which no detections came stay in the video, and say so.
    """

    def __init__(self, camera: str, video: Path, rate_hz: float, tiles: int, frames_expected: int) -> None:
        """`tiles` annotated frames, evenly spaced over `frames_expected`, are kept for the contact sheet."""
        self._camera = camera
        self._path = video
        self._rate_hz = rate_hz
        self._writer: cv2.VideoWriter | None = None
        self._waiting: OrderedDict[int, np.ndarray] = OrderedDict()
        self._early: dict[int, list[Box]] = {}
        self._tile_at = {int((i + 0.5) * frames_expected / tiles) for i in range(tiles)}
        self._first_stamp_ns: int | None = None
        self.tiles: list[np.ndarray] = []
        self.annotated = 0
        self.skipped = 0

    def frame(self, stamp_ns: int, image: np.ndarray) -> None:
        """Take a camera frame, BGR."""
        self._waiting[stamp_ns] = image
        if stamp_ns in self._early:
            self.detections(stamp_ns, self._early.pop(stamp_ns))

    def detections(self, stamp_ns: int, boxes: list[Box]) -> None:
        """Take the detections of a frame; they may come before the frame itself."""
        if stamp_ns not in self._waiting:
            self._early[stamp_ns] = boxes
            return
        while self._waiting:
            stamp, image = self._waiting.popitem(last=False)
            if stamp == stamp_ns:
                self._write(stamp, image, boxes)
                return
            self._write(stamp, image, None)

    def close(self) -> None:
        """Write what is left and finish the video."""
        while self._waiting:
            self._write(*self._waiting.popitem(last=False), None)
        if self._writer is not None:
            self._writer.release()

    def _write(self, stamp_ns: int, image: np.ndarray, boxes: list[Box] | None) -> None:
        if self._first_stamp_ns is None:
            self._first_stamp_ns = stamp_ns
        what = "not processed" if boxes is None else f"{len(boxes)} detections"
        caption = f"{self._camera}   {(stamp_ns - self._first_stamp_ns) / 1e9:5.1f} s   {what}"
        drawn = draw(image, boxes or [], caption)
        if self._writer is None:
            size = (image.shape[1], image.shape[0])
            codec = cv2.VideoWriter_fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), codec, self._rate_hz, size)
            if not self._writer.isOpened():
                raise OSError(f"OpenCV cannot write {self._path}")
        self._writer.write(drawn)
        if boxes is None:
            self.skipped += 1
            return
        if self._tile_at and self.annotated >= min(self._tile_at):
            self._tile_at.remove(min(self._tile_at))
            self.tiles.append(drawn)
        self.annotated += 1


def contact_sheet(rows: list[list[np.ndarray]], title: str, subtitle: str) -> np.ndarray:
    """Lay annotated frames out, one camera a row, under a title."""
    columns = max(len(row) for row in rows)
    resized = [[resize_to(tile, TILE_WIDTH) for tile in row] for row in rows]
    heights = [max((tile.shape[0] for tile in row), default=0) for row in resized]
    header = 84
    width = columns * TILE_WIDTH + (columns + 1) * GAP
    sheet = np.full((header + sum(heights) + (len(rows)) * GAP, width, 3), PANEL, np.uint8)
    text_at(sheet, title, 2 * GAP, 38, 1.0, WHITE)
    text_at(sheet, subtitle, 2 * GAP, 68, 0.55, (190, 185, 180))
    y = header
    for row, height in zip(resized, heights, strict=True):
        for column, tile in enumerate(row):
            x = GAP + column * (TILE_WIDTH + GAP)
            sheet[y : y + tile.shape[0], x : x + TILE_WIDTH] = tile
        y += height + GAP
    return sheet


def resize_to(image: np.ndarray, width: int) -> np.ndarray:
    """Scale to a width, keeping the aspect ratio."""
    height = round(image.shape[0] * width / image.shape[1])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
