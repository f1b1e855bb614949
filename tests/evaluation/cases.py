"""Random labels and detections in COCO's formats, with everything that is awkward."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def write(folder: Path, seed: int, images: int, classes: int, per_image: float = 4.0) -> tuple[Path, Path]:
    """Crowds, all areas, images and classes without instances, equal scores, more than 100 detections in an image."""
    random = np.random.default_rng(seed)
    ids = sorted(int(i) for i in random.choice(10 * images, images, replace=False))
    annotations, results = [], []
    for image in ids:
        count = 0 if random.random() < 0.1 else int(random.poisson(per_image))
        for _ in range(count):
            # The last class has no instances, and what it detects is wrong.
            category = int(random.integers(1, max(2, classes)))
            size = np.exp(random.uniform(1.5, 5.5, 2))
            box = [*(float(v) for v in random.uniform(0, 400, 2)), float(size[0]), float(size[1])]
            annotation = {"id": len(annotations) + 1, "image_id": image, "category_id": category, "bbox": box}
            crowd = int(random.random() < 0.08)
            area = box[2] * box[3] * float(random.uniform(0.4, 1.0))
            annotations.append({**annotation, "area": area, "iscrowd": crowd})
            for _ in range(int(random.integers(0, 4))):
                scale = float(random.choice([1.0, 3.0, 10.0, 40.0]))
                shaken = [float(v + random.normal(0, scale)) for v in box]
                shaken[2:] = [max(1.0, side) for side in shaken[2:]]
                found = category if random.random() < 0.85 else int(random.integers(1, classes + 1))
                score = float(np.float32(np.round(random.beta(2, 3), 3)))
                results.append({"image_id": image, "category_id": found, "bbox": shaken, "score": score})
        for _ in range(int(random.choice([0, 3, 130], p=[0.5, 0.45, 0.05]))):
            box = [*(float(v) for v in random.uniform(0, 400, 2)), *(float(v) for v in np.exp(random.uniform(2, 5, 2)))]
            category = int(random.integers(1, classes + 1))
            score = float(np.float32(random.uniform(0.01, 0.4)))
            results.append({"image_id": image, "category_id": category, "bbox": box, "score": score})
    truth = {
        "info": {},
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 640} for i in ids],
        "annotations": annotations,
        "categories": [{"id": c, "name": f"class {c}"} for c in range(1, classes + 1)],
    }
    labels, detections = folder / f"labels-{seed}.json", folder / f"detections-{seed}.json"
    labels.write_text(json.dumps(truth))
    detections.write_text(json.dumps(results))
    return labels, detections
