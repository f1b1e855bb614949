"""Detections in a form to compare: label, score, corners."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np
from vision_msgs.msg import Detection2DArray

from .process import MODEL, ROOT


@dataclass(frozen=True)
class Found:
    """One detection; the box is x_min, y_min, x_max, y_max in pixels of the image."""

    label: str
    score: float
    box: tuple[float, float, float, float]

    def iou(self, other: Found) -> float:
        """Intersection over union of the two boxes."""
        width = min(self.box[2], other.box[2]) - max(self.box[0], other.box[0])
        height = min(self.box[3], other.box[3]) - max(self.box[1], other.box[1])
        overlap = max(0.0, width) * max(0.0, height)
        union = self.area() + other.area() - overlap
        return overlap / union if union > 0 else 0.0

    def area(self) -> float:
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


def found_in(array: Detection2DArray) -> list[Found]:
    """The detections of an array, which has one hypothesis for each."""
    found = []
    for detection in array.detections:
        (result,) = detection.results
        centre, width, height = detection.bbox.center.position, detection.bbox.size_x, detection.bbox.size_y
        box = (centre.x - width / 2, centre.y - height / 2, centre.x + width / 2, centre.y + height / 2)
        found.append(Found(result.hypothesis.class_id, result.hypothesis.score, box))
    return found


def assert_alike(found: Sequence[Found], expected: Sequence[Found], iou: float, score: float, clear: float) -> None:
    """Both sides find the same objects, the boxes overlapping by `iou` and the scores within `score`.

    Only detections of at least the score `clear` must be on both sides: one that is just above the threshold
    on one side may be just below it on the other.
    """
    for ours, theirs in ((found, expected), (expected, found)):
        for one in (f for f in ours if f.score >= clear):
            near = [
                o for o in theirs if o.label == one.label and o.iou(one) >= iou and abs(o.score - one.score) <= score
            ]
            assert near, f"{one} has no like among {list(theirs)}"


@cache
def reference() -> ModuleType:
    """tests/reference/detect.py, which shares no code with the node."""
    path = ROOT / "tests" / "reference" / "detect.py"
    spec = importlib.util.spec_from_file_location("roadproof_reference_detect", path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@cache
def _reference_detector() -> object:
    return reference().Detector(reference().load_manifest(MODEL))


def reference_detections(rgb: np.ndarray, score: float | None = None) -> list[Found]:
    """What the Python reference finds in an RGB picture, at the manifest's thresholds."""
    detector = _reference_detector()
    thresholds, names = detector.manifest["thresholds"], detector.manifest["classes"]["names"]
    least = thresholds["score"] if score is None else score
    found = detector.detect(
        np.ascontiguousarray(rgb[:, :, ::-1]), least, thresholds["nms_iou"], thresholds["max_detections"]
    )
    return [
        Found(names[class_id], float(value), tuple(map(float, box)))
        for box, value, class_id in zip(found.boxes, found.scores, found.class_ids, strict=True)
    ]
