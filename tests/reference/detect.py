#!/usr/bin/env python3
"""Reference detector: what the Rust detector has to agree with.

Plain numpy, OpenCV and ONNX Runtime, written for reading and not for speed, and
sharing nothing with the Rust code. It follows the model manifest:

* letterbox: one scale s = min(W / w, H / h); the resized image is
  round(s * w) x round(s * h), half to even, at least 1 x 1; its left and top
  margins are half of what is missing, rounded down;
* each cell and each class is a candidate of its own, so one cell can give boxes
  of several classes;
* box sides: expectation of the softmax over the bins, times the stride, around
  the cell's centre (column + 0.5, row + 0.5) * stride (Li et al., "Generalized
  Focal Loss", arXiv:2006.04388);
* greedy non-maximum suppression per class, in the network's pixels; a box goes
  when its IoU with a kept one of its class exceeds the threshold. Equal scores
  keep the order of strides, cells, classes.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

BOX_SIDES = 4
CELL_CENTRE = 0.5  # measured: AP 0.343, against 0.212 for the cell's corner
INTERPOLATIONS = {"area": cv2.INTER_AREA, "linear": cv2.INTER_LINEAR}


@dataclass(frozen=True)
class Geometry:
    """Where the original image lies in the network's input."""

    scale_x: float
    scale_y: float
    left: int
    top: int


@dataclass(frozen=True)
class Detections:
    """Boxes (n, 4) as x_min, y_min, x_max, y_max; scores (n,); class ids (n,). Best score first."""

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray


def load_manifest(path: Path) -> dict[str, Any]:
    """The manifest's tables; `file` becomes a path, `decoder.type` is checked."""
    with path.open("rb") as stream:
        manifest = tomllib.load(stream)
    if manifest["decoder"]["type"] != "nanodet":
        raise ValueError(f"{path}: expected decoder type 'nanodet', found '{manifest['decoder']['type']}'")
    manifest["file"] = path.parent / manifest["file"]
    return manifest


def fit(image: np.ndarray, spec: dict[str, Any]) -> tuple[np.ndarray, Geometry]:
    """`image` (h, w, 3) at the network's size, and where it went."""
    height, width = image.shape[:2]
    if spec["resize"] == "stretch":
        new_width, new_height = spec["width"], spec["height"]
    else:
        scale = min(spec["width"] / width, spec["height"] / height)
        new_width = max(1, round(width * scale))
        new_height = max(1, round(height * scale))
    shrinks = new_width < width or new_height < height
    interpolation = INTERPOLATIONS[spec["interpolation"]] if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(image, (new_width, new_height), interpolation=interpolation)
    left = top = 0
    if spec["resize"] == "letterbox":
        left = (spec["width"] - new_width) // 2
        top = (spec["height"] - new_height) // 2
    canvas = np.full((spec["height"], spec["width"], 3), spec["pad_value"], np.uint8)
    canvas[top : top + new_height, left : left + new_width] = resized
    return canvas, Geometry(new_width / width, new_height / height, left, top)


def preprocess(bgr: np.ndarray, spec: dict[str, Any]) -> tuple[np.ndarray, Geometry]:
    """Network input (1, 3, H, W) from an 8-bit BGR image."""
    canvas, geometry = fit(bgr, spec)
    if spec["colour"] == "rgb":
        canvas = canvas[:, :, ::-1]
    normalised = (canvas.astype(np.float32) - np.float32(spec["mean"])) / np.float32(spec["std"])
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[None]), geometry


def decode(
    scores: list[np.ndarray], logits: list[np.ndarray], strides: list[int], width: int, floor: float
) -> Detections:
    """Every (cell, class) with a score of at least `floor`; boxes in the network's pixels."""
    found = []
    for score, logit, stride in zip(scores, logits, strides, strict=True):
        cells, class_ids = np.nonzero(score[0] >= floor)
        bins = logit.shape[2] // BOX_SIDES
        sides = logit[0, cells].reshape(-1, BOX_SIDES, bins).astype(np.float64)
        weights = np.exp(sides - sides.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        left, top, right, bottom = ((weights @ np.arange(bins)) * stride).T
        columns = width // stride
        x = (cells % columns + CELL_CENTRE) * stride
        y = (cells // columns + CELL_CENTRE) * stride
        boxes = np.stack([x - left, y - top, x + right, y + bottom], axis=1)
        found.append(Detections(boxes, score[0, cells, class_ids], class_ids))
    boxes = np.concatenate([f.boxes for f in found])
    values = np.concatenate([f.scores for f in found])
    class_ids = np.concatenate([f.class_ids for f in found])
    order = np.argsort(-values, kind="stable")
    return Detections(boxes[order], values[order], class_ids[order])


def iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with each of `others` (n, 4)."""
    overlap = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    intersection = np.prod(np.clip(overlap, 0.0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return intersection / np.maximum(np.prod(box[2:] - box[:2]) + areas - intersection, 1e-12)


def suppress(candidates: Detections, threshold: float, limit: int) -> Detections:
    """Non-maximum suppression per class, then the `limit` best."""
    alive = np.ones(len(candidates.scores), bool)
    kept = []
    for index in range(len(alive)):
        if not alive[index]:
            continue
        kept.append(index)
        if len(kept) == limit:
            break
        rest = np.nonzero(alive & (candidates.class_ids == candidates.class_ids[index]))[0]
        rest = rest[rest > index]
        alive[rest[iou(candidates.boxes[index], candidates.boxes[rest]) > threshold]] = False
    return Detections(candidates.boxes[kept], candidates.scores[kept], candidates.class_ids[kept])


def restore(found: Detections, geometry: Geometry, width: int, height: int) -> Detections:
    """Boxes in the pixels of the original image, clipped to it."""
    offset = np.array([geometry.left, geometry.top] * 2, np.float64)
    scale = np.array([geometry.scale_x, geometry.scale_y] * 2, np.float64)
    boxes = (found.boxes - offset) / scale
    boxes = np.clip(boxes, 0.0, np.array([width, height] * 2, np.float64))
    return Detections(boxes, found.scores, found.class_ids)


class Detector:
    """The model of one manifest on ONNX Runtime's CPU provider."""

    def __init__(self, manifest: dict[str, Any], threads: int = 1) -> None:
        self.manifest = manifest
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(manifest["file"]), options, providers=["CPUExecutionProvider"])

    def detect(self, bgr: np.ndarray, score: float, nms_iou: float, limit: int) -> Detections:
        """Detections of at least `score` in an 8-bit BGR image."""
        spec, decoder = self.manifest["input"], self.manifest["decoder"]
        tensor, geometry = preprocess(bgr, spec)
        names = decoder["outputs"]["scores"] + decoder["outputs"]["boxes"]
        tensors = self.session.run(names, {self.session.get_inputs()[0].name: tensor})
        count = len(decoder["strides"])
        candidates = decode(tensors[:count], tensors[count:], decoder["strides"], spec["width"], score)
        kept = suppress(candidates, nms_iou, limit)
        return restore(kept, geometry, bgr.shape[1], bgr.shape[0])


def read_image(path: Path) -> np.ndarray:
    """An image file as 8-bit BGR, as stored: an EXIF rotation is not applied, as in the Rust code."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise ValueError(f"{path}: not an image that OpenCV can read")
    return image


def main() -> int:
    parser = argparse.ArgumentParser(description="Detect objects in images; JSON goes to standard output.")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--interpolation", choices=sorted(INTERPOLATIONS), help="instead of the manifest's")
    parser.add_argument("--score", type=float, help="instead of the manifest's threshold")
    parser.add_argument("--nms-iou", type=float, help="instead of the manifest's threshold")
    parser.add_argument("--max-detections", type=int, help="instead of the manifest's limit")
    arguments = parser.parse_args()
    try:
        manifest = load_manifest(arguments.manifest)
        thresholds = manifest["thresholds"]
        if arguments.interpolation is not None:
            manifest["input"]["interpolation"] = arguments.interpolation
        overrides = {"score": arguments.score, "nms_iou": arguments.nms_iou, "max_detections": arguments.max_detections}
        thresholds.update({key: value for key, value in overrides.items() if value is not None})
        detector = Detector(manifest)
        result = []
        for path in arguments.images:
            bgr = read_image(path)
            found = detector.detect(bgr, thresholds["score"], thresholds["nms_iou"], thresholds["max_detections"])
            detections = [
                {
                    "class_id": int(class_id),
                    "class_name": manifest["classes"]["names"][class_id],
                    "score": round(float(score), 6),
                    "box": [round(float(v), 3) for v in box],
                }
                for box, score, class_id in zip(found.boxes, found.scores, found.class_ids, strict=True)
            ]
            size = {"width": bgr.shape[1], "height": bgr.shape[0]}
            result.append({"image": str(path), **size, "detections": detections})
    except (OSError, ValueError, KeyError) as error:
        print(f"detect: {error}", file=sys.stderr)
        return 1
    json.dump(result, sys.stdout, indent=1)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
