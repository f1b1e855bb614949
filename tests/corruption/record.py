"""Records what the reference does to a small picture, for the test that does without it: tests/corruption_recorded.rs.

    .deps/imagecorruptions/bin/python tests/corruption/record.py

tests/corruption/reference_env.sh makes the environment. Writes into tests/corruption/recorded/:
scene.png            the clean picture
deterministic.png    tiles: a row for each of DETERMINISTIC and of ANGLES, a column for each level
statistics.json      of the random ones, by level: mean and standard deviation over SEEDS seeds of each statistic
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from imagecorruptions import corrupt, corruptions
from PIL import Image

from scene import scene

FOLDER = Path(__file__).with_name("recorded")
WIDTH, HEIGHT = 160, 120
TILE_WIDTH, TILE_HEIGHT = 64, 48
SEEDS = 24
DETERMINISTIC = (
    *("defocus_blur", "zoom_blur", "gaussian_blur", "brightness", "contrast", "saturate", "pixelate"),
    "jpeg_compression",
)
# Degrees, of motion_blur.
ANGLES = (-40.0, 0.0, 15.0)
RANDOM = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "glass_blur", "motion_blur"),
    *("snow", "frost", "fog", "spatter", "elastic_transform"),
)
MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))


def statistics(picture: np.ndarray) -> list[float]:
    """Mean, standard deviation and nine deciles of the grey, and its mean squared difference to the pixel 1, 2, 4, 8
    and 16 further right and further down, which stands for the spectrum."""
    grey = picture.astype(float).mean(axis=2)
    deciles = np.sort(grey.ravel())[[grey.size * i // 10 for i in range(1, 10)]]
    roughness = [
        float(((grey[lag:] - grey[:-lag]) ** 2).mean() + ((grey[:, lag:] - grey[:, :-lag]) ** 2).mean()) / 2
        for lag in (1, 2, 4, 8, 16)
    ]
    return [float(grey.mean()), float(grey.std()), *(float(d) for d in deciles), *roughness]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    clean = scene(WIDTH, HEIGHT, 5)
    Image.fromarray(clean).save(FOLDER / "scene.png", optimize=True)

    tile = np.ascontiguousarray(clean[:TILE_HEIGHT, :TILE_WIDTH])
    rows = [[corrupt(tile, corruption_name=name, severity=s) for s in range(1, 6)] for name in DETERMINISTIC]
    for angle in ANGLES:
        blurred = [corruptions._motion_blur(tile, radius=r, sigma=s, angle=angle) for r, s in MOTION]
        rows.append([np.clip(picture, 0, 255).astype(np.uint8) for picture in blurred])
    sheet = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    Image.fromarray(sheet).save(FOLDER / "deterministic.png", optimize=True)

    recorded: dict[str, list[dict[str, list[float]]]] = {}
    for name in RANDOM:
        recorded[name] = []
        for severity in range(1, 6):
            samples = []
            for seed in range(SEEDS):
                np.random.seed(seed)
                samples.append(statistics(corrupt(clean, corruption_name=name, severity=severity)))
            mean, deviation = np.mean(samples, axis=0), np.std(samples, axis=0, ddof=1)
            recorded[name].append({"mean": mean.round(3).tolist(), "deviation": deviation.round(3).tolist()})
        print(name, flush=True)
    text = json.dumps({"seeds": SEEDS, "statistics": recorded}, indent=1)
    (FOLDER / "statistics.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
