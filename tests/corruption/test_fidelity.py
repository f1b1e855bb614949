"""The deterministic corruptions pixel by pixel, and the random ones by their statistics, against the reference.

Needs the reference's environment (tests/corruption/reference_env.sh), or another interpreter that has it in
$ROADPROOF_REFERENCE_PYTHON; skips where there is none.
"""

from __future__ import annotations

import os
import subprocess
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from scene import scene

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


def grey(picture: np.ndarray) -> np.ndarray:
    return picture.astype(float).mean(axis=2)


def statistics(picture: np.ndarray) -> np.ndarray:
    """Mean and deviation of the grey, and the logarithm of its power in six octaves of radial frequency."""
    values = grey(picture)
    power = np.abs(np.fft.fft2(values - values.mean())) ** 2 / values.size
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(values.shape[1]), np.fft.fftfreq(values.shape[0])))
    octaves = [np.log2(power[(radius >= low) & (radius < 2 * low)].mean() + 1e-3) for low in 0.5 ** np.arange(1, 7)]
    return np.array([values.mean(), values.std(), *octaves])


def movers_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Earth mover's distance between the histograms of two pictures of the same size, in grey levels."""
    return float(np.abs(np.sort(grey(a), axis=None) - np.sort(grey(b), axis=None)).mean())


@pytest.mark.parametrize("severity", (1, 3, 5))
@pytest.mark.parametrize("corruption", RANDOM)
def test_random_corruptions_lie_within_the_reference_s_own_spread(
    pictures: Path, corruption: str, severity: int
) -> None:
    """Six seeds a side, on one picture. Means of the statistics differ by at most three standard errors, as the
    reference's own seeds spread, plus a quarter grey level or 7 % of the power for what hardly varies. The earth
    mover's distance between sides is at most that between the reference's own seeds at its largest, plus a tenth."""
    reference_python()
    theirs, ours = (
        [corrupted(pictures, side, corruption, severity, seed)[0] for seed in range(SEEDS)]
        for side in ("reference", "ours")
    )
    reference, found = (np.array([statistics(picture) for picture in side]) for side in (theirs, ours))
    error = reference.std(axis=0, ddof=1) * np.sqrt(2 / SEEDS)
    allowed = 3 * error + np.array([0.25] * 2 + [0.1] * 6)
    difference = np.abs(found.mean(axis=0) - reference.mean(axis=0))
    assert (difference <= allowed).all(), np.round(difference / allowed, 2)

    among = [movers_distance(a, b) for a, b in combinations(theirs, 2)]
    between = np.mean([movers_distance(a, b) for a in theirs for b in ours])
    assert between <= max(among) + 0.1
