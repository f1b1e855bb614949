"""Our corruptions against the reference's, `imagecorruptions`: same picture, same core, one run.

    python benches/side_by_side/corruptions.py photo.jpg --reference-python .deps/imagecorruptions/bin/python

Each round times one corruption with both, in alternating order, so that a machine that slows down over time favours
nobody; what is reported is the median over the rounds of each side's median, and the ratio. The picture is scaled to
1280 × 720. tests/corruption/reference_env.sh makes the reference's environment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import cv2

ROOT = Path(__file__).parents[2]
CORRUPTIONS = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "defocus_blur", "glass_blur", "motion_blur"),
    *("zoom_blur", "gaussian_blur", "snow", "frost", "fog", "spatter", "brightness", "contrast", "saturate"),
    *("elastic_transform", "pixelate", "jpeg_compression"),
)

# Run by the reference's interpreter: picture, corruption, severity, times; prints milliseconds.
REFERENCE = """
import json, sys, time
import cv2
import numpy as np
from imagecorruptions import corrupt
from PIL import Image
cv2.setNumThreads(1)
picture = np.asarray(Image.open(sys.argv[1]).convert("RGB"))
run = lambda: corrupt(picture, corruption_name=sys.argv[2], severity=int(sys.argv[3]))
times = int(sys.argv[4])
if times > 1:
    run()
samples = []
for _ in range(times):
    start = time.perf_counter()
    run()
    samples.append((time.perf_counter() - start) * 1e3)
samples.sort()
print(json.dumps({"p50_ms": samples[len(samples) // 2], "p99_ms": samples[-1]}))
"""


def ours(picture: Path, corruption: str, severity: int, times: int) -> dict[str, float]:
    binary = os.environ.get("ROADPROOF_BIN", str(ROOT / "target" / "release" / "roadproof"))
    command = [binary, "corrupt", str(picture), "--time", str(times), "--threads", "1", "--json"]
    output = subprocess.run([*command, "--corruption", f"{corruption}:{severity}"], check=True, capture_output=True)
    return json.loads(output.stdout)["corruptions"][0]


def reference(python: Path, picture: Path, corruption: str, severity: int, times: int) -> dict[str, float]:
    clean = {k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "PYTHONPATH")}
    clean |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [str(python), "-c", REFERENCE, str(picture), corruption, str(severity), str(times)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, env=clean).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--reference-python", type=Path, default=ROOT / ".deps" / "imagecorruptions" / "bin" / "python")
    parser.add_argument("--corruption", nargs="+", default=CORRUPTIONS)
    parser.add_argument("--severity", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--times", type=int, default=11, help="of each side in each round (glass_blur's reference: once)"
    )
    parser.add_argument("--json", type=Path, help="write all measurements there")
    arguments = parser.parse_args()
    if not arguments.reference_python.exists():
        parser.error(f"{arguments.reference_python} is missing: run tests/corruption/reference_env.sh")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        cv2.imwrite(str(picture), cv2.resize(cv2.imread(str(arguments.picture)), (1280, 720)))
        print(
            "| corruption | ours p50, ms | ours p99, ms | reference p50, ms | ratio of medians |\n|---|---|---|---|---|"
        )
        for corruption in arguments.corruption:
            sides: dict[str, list[dict[str, float]]] = {"ours": [], "reference": []}
            few = 1 if corruption == "glass_blur" else arguments.times
            for turn in range(1 if few == 1 else arguments.rounds):
                for side in sorted(sides, reverse=turn % 2 == 1):
                    if side == "ours":
                        found = ours(picture, corruption, arguments.severity, 5 * arguments.times)
                    else:
                        python = arguments.reference_python
                        found = reference(python, picture, corruption, arguments.severity, few)
                    sides[side].append(found)
            p50 = {side: median(m["p50_ms"] for m in found) for side, found in sides.items()}
            p99 = median(m["p99_ms"] for m in sides["ours"])
            ratio = p50["reference"] / p50["ours"]
            print(
                f"| {corruption} | {p50['ours']:.2f} | {p99:.2f} | {p50['reference']:.1f} | {ratio:.1f} |", flush=True
            )
            measured.append({"corruption": corruption, **sides})
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
