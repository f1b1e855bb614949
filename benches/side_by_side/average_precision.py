"""AP of 5,000 images' detections: `roadproof evaluate --detections` against pycocotools, one run, same files.

    python benches/side_by_side/average_precision.py

Both from the files to the twelve figures, in processes of their own, in alternation.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "evaluation"))

from cases import write  # noqa: E402

PYCOCOTOOLS = """
import sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
truth = COCO(sys.argv[1])
evaluation = COCOeval(truth, truth.loadRes(sys.argv[2]), "bbox")
evaluation.evaluate()
evaluation.accumulate()
evaluation.summarize()
"""


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    binary = os.environ.get("ROADPROOF_BIN", str(ROOT / "target" / "release" / "roadproof"))
    with tempfile.TemporaryDirectory() as folder:
        labels, detections = write(Path(folder), 0, arguments.images, arguments.classes, per_image=7.0)
        print(f"{arguments.images} images, {detections.stat().st_size / 1e6:.0f} MB of detections")
        ours = [binary, "evaluate", str(labels), "--detections", str(detections), "--bootstrap", "0", "--json"]
        commands = {"roadproof": ours, "pycocotools": [sys.executable, "-c", PYCOCOTOOLS, str(labels), str(detections)]}
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(arguments.rounds):
            for name in sorted(commands, reverse=turn % 2 == 1):
                taken[name].append(seconds(commands[name]))
    for name, samples in taken.items():
        print(f"{name}: median {median(samples):.2f} s of {[round(s, 2) for s in samples]}")
    print(f"ratio: {median(taken['pycocotools']) / median(taken['roadproof']):.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
