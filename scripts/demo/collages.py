"""A small labelled set for a machine that has none: collages of four photographs, boxes drawn by hand.

    python scripts/demo/collages.py OUTPUT [--images 40] [--seed 0]

Synthetic: photographs of .deps/footage, mirrored, scaled and laid on a plain ground, so figures on it say whether
things work, not how good a detector is on the road. The layout is YOLO's: images/, labels/, classes.txt.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parents[2]
WIDTH, HEIGHT = 640, 480
CLASSES = ("person", "bicycle", "truck", "cat", "dog")

# What is in the photographs, drawn by hand: class, x_min, y_min, x_max, y_max in pixels.
PHOTOGRAPHS = {
    "dog.jpg": [("dog", 131, 220, 312, 540), ("bicycle", 117, 126, 568, 430), ("truck", 467, 76, 692, 170)],
    "astronaut.png": [("person", 14, 14, 364, 512)],
    "camera.png": [("person", 0, 65, 326, 512)],
    "chelsea.png": [("cat", 0, 0, 445, 300)],
}


def ground(random: np.random.Generator) -> np.ndarray:
    """A shaded plane with a little texture."""
    corners = random.uniform(60, 200, (2, 2, 3)).astype(np.float32)
    plane = cv2.resize(corners, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return np.clip(plane + random.normal(0, 3, plane.shape), 0, 255).astype(np.uint8)


def paste(
    picture: np.ndarray, taken: list[tuple[int, int, int, int]], name: str, random: np.random.Generator
) -> list[str]:
    """Lays a photograph where there is room; gives its labels, none where there was no room."""
    photo = cv2.imread(str(ROOT / ".deps" / "footage" / name))
    if photo is None:
        raise SystemExit(f"collages: .deps/footage/{name} is missing; scripts/demo/fetch_footage.sh fetches it")
    for _ in range(20):
        scale = random.uniform(0.35, 0.85) * HEIGHT / photo.shape[0]
        width, height = int(photo.shape[1] * scale), int(photo.shape[0] * scale)
        if width >= WIDTH or height >= HEIGHT:
            continue
        x, y = int(random.integers(WIDTH - width)), int(random.integers(HEIGHT - height))
        if any(
            x < right and left < x + width and y < bottom and top < y + height for left, top, right, bottom in taken
        ):
            continue
        taken.append((x, y, x + width, y + height))
        is_mirrored = random.random() < 0.5
        small = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
        picture[y : y + height, x : x + width] = small[:, ::-1] if is_mirrored else small
        lines = []
        for category, x_min, y_min, x_max, y_max in PHOTOGRAPHS[name]:
            if is_mirrored:
                x_min, x_max = photo.shape[1] - x_max, photo.shape[1] - x_min
            left, right = x + x_min * scale, x + x_max * scale
            top, bottom = y + y_min * scale, y + y_max * scale
            box = (
                (left + right) / 2 / WIDTH,
                (top + bottom) / 2 / HEIGHT,
                (right - left) / WIDTH,
                (bottom - top) / HEIGHT,
            )
            lines.append(f"{CLASSES.index(category)} " + " ".join(f"{min(value, 1.0):.6f}" for value in box))
        return lines
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    for folder in ("images", "labels"):
        (arguments.output / folder).mkdir(parents=True, exist_ok=True)
    (arguments.output / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    for index in range(arguments.images):
        picture, taken, lines = ground(random), [], []
        for name in random.permutation(list(PHOTOGRAPHS))[: int(random.integers(1, 4))]:
            lines += paste(picture, taken, str(name), random)
        stem = f"collage-{index:03}"
        cv2.imwrite(str(arguments.output / "images" / f"{stem}.png"), picture)
        (arguments.output / "labels" / f"{stem}.txt").write_text("".join(line + "\n" for line in lines))


if __name__ == "__main__":
    main()
