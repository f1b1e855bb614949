"""The deterministic corruptions pixel by pixel, and the random ones by their statistics, against the reference.

Needs the reference's environment (tests/corruption/reference_env.sh), or another interpreter that has it in
$ROADPROOF_REFERENCE_PYTHON; skips where there is none.
"""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SEVERITIES = (1, 2, 3, 4, 5)
DETERMINISTIC = ("defocus_blur", "zoom_blur", "gaussian_blur", "brightness", "contrast", "saturate", "pixelate")
RANDOM = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "glass_blur", "motion_blur"),
    *("snow", "frost", "fog", "spatter", "elastic_transform"),
)

# Seeds on each side, from which the spread of the statistics is taken.
SEEDS = 6


def reference_python() -> Path:
    path = Path(os.environ.get("ROADPROOF_REFERENCE_PYTHON", ROOT / ".deps" / "imagecorruptions" / "bin" / "python"))
    if not path.exists():
        pytest.skip("the reference is not set up: run tests/corruption/reference_env.sh")
    return path


def binary() -> str:
    return os.environ.get("ROADPROOF_BIN", str(ROOT / "target" / "release" / "roadproof"))


def scene(width: int, height: int, seed: int) -> np.ndarray:
    """Shapes on shading with some texture: like a photograph in its edges and its spectrum."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    shading = np.stack([x * 150 / width + 30, y * 120 / height + 50, 180 - x * 100 / width], axis=2)
    picture = shading.astype(np.uint8)
    for _ in range(40):
        centre = (int(random.integers(width)), int(random.integers(height)))
        colour = tuple(int(c) for c in random.integers(0, 256, 3))
        cv2.circle(picture, centre, int(random.integers(4, height // 4)), colour, -1, cv2.LINE_AA)
    texture = cv2.GaussianBlur(random.normal(0, 40, picture.shape), (0, 0), 1.2)
    return np.clip(picture + texture, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for index, (width, height) in enumerate([(640, 480), (333, 251), (200, 417)]):
        cv2.imwrite(str(folder / f"{index}.png"), scene(width, height, index)[:, :, ::-1])
    return folder


def corrupted(pictures: Path, side: str, corruption: str, severity: int, seed: int) -> list[np.ndarray]:
    """All pictures, corrupted by one side."""
    output = pictures.parent / f"{side}-{corruption}-{severity}-{seed}"
    if side == "reference":
        command = [str(reference_python()), str(Path(__file__).with_name("reference_corrupt.py")), str(pictures)]
        command += [str(output), "--corruption", corruption, "--severity", str(severity), "--seed", str(seed)]
        clean = {k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "PYTHONPATH")}
        subprocess.run(command, check=True, env=clean)
    else:
        command = [binary(), "corrupt", str(pictures), "--output", str(output), "--seed", str(seed)]
        subprocess.run([*command, "--corruption", f"{corruption}:{severity}"], check=True, capture_output=True)
    return [cv2.imread(str(path)) for path in sorted(output.iterdir())]


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("corruption", DETERMINISTIC)
def test_deterministic_corruptions_are_the_same_to_a_grey_level(pictures: Path, corruption: str, severity: int) -> None:
    reference_python()
    theirs, ours = (corrupted(pictures, side, corruption, severity, 0) for side in ("reference", "ours"))
    for a, b in zip(theirs, ours, strict=True):
        difference = np.abs(a.astype(int) - b)
        assert difference.mean() <= 1.0
        assert (difference <= 3).mean() >= 0.999


@pytest.mark.parametrize("severity", SEVERITIES)
def test_jpeg_is_the_same(pictures: Path, severity: int) -> None:
    reference_python()
    theirs, ours = (corrupted(pictures, side, "jpeg_compression", severity, 0) for side in ("reference", "ours"))
    for a, b in zip(theirs, ours, strict=True):
        difference = np.abs(a.astype(int) - b)
        assert difference.mean() <= 1.0
        assert (difference <= 3).mean() >= 0.999


def statistics(picture: np.ndarray) -> np.ndarray:
    """Mean, deviation, nine quantiles, and the logarithm of the power in six octaves of frequency."""
    grey = picture.astype(float).mean(axis=2)
    power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2 / grey.size
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(grey.shape[1]), np.fft.fftfreq(grey.shape[0])))
    octaves = [np.log2(power[(radius >= low) & (radius < 2 * low)].mean() + 1e-3) for low in 0.5 ** np.arange(1, 7)]
    return np.array([grey.mean(), grey.std(), *np.percentile(grey, range(10, 100, 10)), *octaves])


@cache
def sampled(pictures: Path, side: str, corruption: str, severity: int) -> np.ndarray:
    """Statistics of the first picture under several seeds."""
    return np.array([statistics(corrupted(pictures, side, corruption, severity, s)[0]) for s in range(SEEDS)])


@pytest.mark.parametrize("severity", (1, 3, 5))
@pytest.mark.parametrize("corruption", RANDOM)
def test_random_corruptions_lie_within_the_reference_s_own_spread(
    pictures: Path, corruption: str, severity: int
) -> None:
    """The means over seeds differ by no more than the reference's own seeds do from each other (their range), or by
    three grey levels or 15 % of the power, where the reference hardly varies."""
    reference_python()
    theirs, ours = (sampled(pictures, side, corruption, severity) for side in ("reference", "ours"))
    spread = theirs.max(axis=0) - theirs.min(axis=0)
    floor = np.array([3.0] * 11 + [0.2] * 6)
    excess = np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) / np.maximum(spread, floor)
    assert excess.max() <= 1.0, np.round(excess, 2)
