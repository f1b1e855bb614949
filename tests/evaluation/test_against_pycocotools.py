"""AP and AR of `roadproof evaluate --detections` against pycocotools, figure by figure and class by class."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cases import write

ROOT = Path(__file__).parents[2]


def binary() -> str:
    return os.environ.get("ROADPROOF_BIN", str(ROOT / "target" / "release" / "roadproof"))


def ours(labels: Path, detections: Path) -> dict:
    command = [binary(), "evaluate", str(labels), "--detections", str(detections), "--json", "--bootstrap", "100"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def theirs(labels: Path, detections: Path) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(labels))
        evaluation = COCOeval(truth, truth.loadRes(str(detections)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def same(a: float | None, b: float) -> bool:
    return b == -1 if a is None else abs(a - b) < 1e-6


@pytest.mark.parametrize(("seed", "images", "classes"), [(1, 30, 3), (2, 60, 8), (3, 5, 1), (4, 200, 20), (5, 40, 30)])
def test_every_figure_and_class_is_the_same(tmp_path: Path, seed: int, images: int, classes: int) -> None:
    labels, detections = write(tmp_path, seed, images, classes)
    found, reference = ours(labels, detections), theirs(labels, detections)
    names = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
    figures = [*(found[name] for name in names), *found["ar"], *found["ar_by_size"]]
    assert len(reference.stats) == 12
    for name, a, b in zip(
        [*names, "ar1", "ar10", "ar100", "ar_s", "ar_m", "ar_l"], figures, reference.stats, strict=True
    ):
        assert same(a, b), f"{name}: {a}, pycocotools {b}"
    for index, entry in enumerate(found["classes"]):
        precision = reference.eval["precision"][:, :, index, 0, -1]
        expected = precision[precision > -1].mean() if (precision > -1).any() else -1
        assert same(entry["ap"], expected), f"{entry['name']}: {entry['ap']}, pycocotools {expected}"
        at_50 = precision[0][precision[0] > -1]
        assert same(entry["ap50"], at_50.mean() if at_50.size else -1)
    assert any(entry["ap"] is None for entry in found["classes"]) or classes == 1
    interval = found["ap_interval"]
    assert interval[0] < found["ap"] < interval[1]


def test_no_detections_at_all(tmp_path: Path) -> None:
    labels, detections = write(tmp_path, 7, 10, 3)
    detections.write_text("[]")
    found = ours(labels, detections)
    assert found["ap"] == 0 and found["ar"] == [0, 0, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected a list"),
        ('[{"image_id": 1}]', "category_id"),
        ('[{"image_id": 999999, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]', "no image 999999"),
        ('[{"image_id": 1, "category_id": 77, "bbox": [1, 2, 3, 4], "score": 0.5}]', "no category 77"),
    ],
)
def test_broken_detections_are_refused(tmp_path: Path, text: str, message: str) -> None:
    labels, detections = write(tmp_path, 7, 10, 3)
    detections.write_text(text)
    command = [binary(), "evaluate", str(labels), "--detections", str(detections)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode != 0
    assert message in result.stderr and "detections-7.json" in result.stderr


def test_the_reference_has_something_to_say(tmp_path: Path) -> None:
    """The random cases are not so random that AP is nothing, or so easy that it is everything."""
    evaluation = theirs(*write(tmp_path, 4, 200, 20))
    assert 0.1 < evaluation.stats[0] < 0.9 and np.isfinite(evaluation.stats).all()
