"""Corrupts a folder of pictures with the reference package, `imagecorruptions`; runs in an environment of its own.

    python reference_corrupt.py IN OUT --corruption fog --severity 3 --seed 7

tests/corruption/reference_env.sh makes the environment.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from imagecorruptions import corrupt
from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--corruption", required=True)
    parser.add_argument("--severity", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for index, path in enumerate(sorted(p for p in arguments.input.iterdir() if p.suffix.lower() in SUFFIXES)):
        target = arguments.output / f"{path.stem}.png"
        if target.exists():
            continue
        np.random.seed(arguments.seed * 100_003 + index)
        picture = np.asarray(Image.open(path).convert("RGB"))
        result = corrupt(picture, corruption_name=arguments.corruption, severity=arguments.severity)
        partial = target.with_suffix(".part")
        Image.fromarray(result).save(partial, format="PNG", compress_level=1)
        partial.rename(target)


if __name__ == "__main__":
    main()
