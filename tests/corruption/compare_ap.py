"""The detector's AP under our corruptions and under the reference's, on the same photographs: what counts in the end.

    python tests/corruption/compare_ap.py --data ../shared/data/coco128-train --reference-python PYTHON

PYTHON is the interpreter of the environment that tests/corruption/reference_env.sh makes.

Pictures and detections are kept in --work, so an interrupted run goes on where it was. Needs pycocotools and
target/release/roadproof (or $ROADPROOF_BIN).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "reference"))

from evaluate import average_precision, read_labels  # noqa: E402

BENCHMARK = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
SEVERITIES = (1, 3, 5)

# Largest difference that counts as the same, in AP points of 100.
ALIKE = 1.5


def binary() -> str:
    return os.environ.get("ROADPROOF_BIN", str(ROOT / "target" / "release" / "roadproof"))


def detect(folder: Path, result: Path) -> None:
    """Detections of all pictures, into a file of JSON lines."""
    images = sorted(str(p) for p in folder.iterdir() if p.suffix in (".png", ".jpg"))
    command = [binary(), "detect", "--model", str(ROOT / "models" / "nanodet-g.toml"), "--score", "0.02", "--json"]
    output = subprocess.run([*command, *images], check=True, capture_output=True, text=True).stdout
    result.write_text(output)


def score(result: Path, labels: Path, classes: int) -> float:
    """AP in points of 100."""
    images: list[dict] = []
    truths: list[dict] = []
    results: list[dict] = []
    for number, line in enumerate(result.read_text().splitlines(), start=1):
        found = json.loads(line)
        width, height = found["width"], found["height"]
        images.append({"id": number, "width": width, "height": height})
        for class_id, box in read_labels(labels / f"{Path(found['image']).stem}.txt", width, height):
            truth = {"id": len(truths) + 1, "image_id": number, "category_id": class_id, "bbox": box}
            truths.append({**truth, "area": box[2] * box[3], "iscrowd": 0})
        for d in found["detections"]:
            box = [d["x_min"], d["y_min"], d["x_max"] - d["x_min"], d["y_max"] - d["y_min"]]
            results.append({"image_id": number, "category_id": d["class_id"], "bbox": box, "score": d["score"]})
    return float(average_precision(images, truths, results, classes)[0]) * 100


def cell(arguments: argparse.Namespace, side: str, corruption: str, severity: int, seed: int) -> float:
    """AP of one side under one corruption."""
    name = f"{side}-{corruption}-{severity}-{seed}"
    result = arguments.work / f"{name}.jsonl"
    if not result.exists():
        folder = arguments.work / name
        images = arguments.data / "images"
        if side == "reference":
            command = [str(arguments.reference_python), str(Path(__file__).with_name("reference_corrupt.py"))]
            command += [str(images), str(folder), "--corruption", corruption, "--severity", str(severity)]
            clean = {k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "PYTHONPATH")}
            subprocess.run([*command, "--seed", str(seed)], check=True, env=clean)
        else:
            # PNG, so that nothing but the corruption differs: the output takes the input's names.
            command = [binary(), "corrupt", str(arguments.work / "clean"), "--output", str(folder)]
            command += ["--corruption", f"{corruption}:{severity}", "--seed", str(seed)]
            subprocess.run(command, check=True, capture_output=True)
        partial = result.with_suffix(".part")
        detect(folder, partial)
        partial.rename(result)
        shutil.rmtree(folder)
    return score(result, arguments.data / "labels", 80)


def clean_copies(arguments: argparse.Namespace) -> None:
    """The photographs as PNG."""
    import cv2

    folder = arguments.work / "clean"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((arguments.data / "images").iterdir()):
        target = folder / f"{path.stem}.png"
        if not target.exists():
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
            cv2.imwrite(str(target), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reference-python", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("target/compare-ap"))
    parser.add_argument("--seed", nargs="+", type=int, default=[1], help="AP is the mean over them, on both sides")
    parser.add_argument("--corruption", nargs="+", default=BENCHMARK)
    parser.add_argument("--severity", nargs="+", type=int, default=SEVERITIES)
    arguments = parser.parse_args()
    clean_copies(arguments)
    print("| corruption | severity | reference AP | our AP | difference |\n|---|---|---|---|---|", flush=True)
    unlike = 0
    for corruption in arguments.corruption:
        for severity in arguments.severity:
            reference, ours = (
                mean(cell(arguments, side, corruption, severity, seed) for seed in arguments.seed)
                for side in ("reference", "ours")
            )
            difference = ours - reference
            unlike += abs(difference) > ALIKE
            mark = " **" if abs(difference) > ALIKE else ""
            print(f"| {corruption} | {severity} | {reference:.1f} | {ours:.1f} | {difference:+.1f}{mark} |", flush=True)
    print(f"\n{unlike} of {len(arguments.corruption) * len(arguments.severity)} differ by more than {ALIKE} points")
    return 1 if unlike else 0


if __name__ == "__main__":
    sys.exit(main())
