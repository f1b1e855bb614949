#!/usr/bin/env python3
"""COCO AP of the reference detector on a folder in YOLO layout, by pycocotools.

The folder holds `images/*.jpg` (or `*.png`) and `labels/NAME.txt` with one line
"class x_centre y_centre width height" per object, relative to the image's size.
An image without a label file has no objects. Everything is measured from the
files as they are: no object counts as crowd, and areas are those of the boxes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detect import INTERPOLATIONS, Detector, load_manifest, read_image

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}


def read_labels(path: Path, width: int, height: int) -> list[tuple[int, list[float]]]:
    """Class ids and COCO boxes (x, y, width, height in pixels) of one label file."""
    labels = []
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if len(fields) != 5:
            raise ValueError(f"{path}:{number}: expected 5 fields, found {len(fields)}")
        x, y, w, h = (float(v) for v in fields[1:])
        labels.append((int(fields[0]), [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]))
    return labels


def average_precision(images: list[dict], truths: list[dict], results: list[dict], classes: int) -> np.ndarray:
    """pycocotools' twelve box figures: AP, AP50, AP75, by size, then the recalls."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        categories = [{"id": i, "name": str(i)} for i in range(classes)]
        truth.dataset = {"info": {}, "images": images, "annotations": truths, "categories": categories}
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def evaluate(folder: Path, manifest: dict[str, Any], score: float, nms_iou: float, limit: int) -> dict[str, float]:
    """AP and AP50 over all images of `folder`."""
    detector = Detector(manifest)
    images: list[dict] = []
    truths: list[dict] = []
    results: list[dict] = []
    paths = sorted(p for p in (folder / "images").iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    for image_id, path in enumerate(paths, start=1):
        bgr = read_image(path)
        height, width = bgr.shape[:2]
        images.append({"id": image_id, "width": width, "height": height})
        for class_id, box in read_labels(folder / "labels" / f"{path.stem}.txt", width, height):
            area = box[2] * box[3]
            truth = {"id": len(truths) + 1, "image_id": image_id, "category_id": class_id, "bbox": box}
            truths.append({**truth, "area": area, "iscrowd": 0})
        found = detector.detect(bgr, score, nms_iou, limit)
        for (x_min, y_min, x_max, y_max), value, class_id in zip(
            found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True
        ):
            box = [x_min, y_min, x_max - x_min, y_max - y_min]
            results.append({"image_id": image_id, "category_id": class_id, "bbox": box, "score": value})
    if not results:
        raise ValueError(f"{folder}: nothing was detected in {len(images)} images")
    figures = average_precision(images, truths, results, len(manifest["classes"]["names"]))
    return {
        "images": len(images),
        "objects": len(truths),
        "detections": len(results),
        "ap": figures[0],
        "ap50": figures[1],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="COCO AP of the reference detector; JSON goes to standard output.")
    parser.add_argument("folder", type=Path, help="with images/ and labels/")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--score", type=float, default=0.02)
    parser.add_argument("--nms-iou", type=float, default=0.6)
    parser.add_argument("--max-detections", type=int, default=100)
    parser.add_argument("--interpolation", choices=sorted(INTERPOLATIONS), help="instead of the manifest's")
    parser.add_argument("--resize", choices=["letterbox", "letterbox_top_left", "stretch"], help="likewise")
    parser.add_argument("--pad-value", type=int, help="likewise")
    arguments = parser.parse_args()
    try:
        manifest = load_manifest(arguments.manifest)
        for key in ("interpolation", "resize", "pad_value"):
            if getattr(arguments, key) is not None:
                manifest["input"][key] = getattr(arguments, key)
        figures = evaluate(arguments.folder, manifest, arguments.score, arguments.nms_iou, arguments.max_detections)
    except (OSError, ValueError, KeyError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    json.dump(figures, sys.stdout)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
