"""What tests of compression share: images, small models, the program."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="session")
def program(roadproof: str) -> Run:
    """Runs `roadproof` with arguments."""

    def run(*arguments: object) -> subprocess.CompletedProcess:
        return subprocess.run([roadproof, *map(str, arguments)], capture_output=True, text=True)

    return run


@pytest.fixture(scope="session")
def compress(program: Run) -> Callable[..., dict]:
    """Runs `roadproof compress --json` and reads what it says; `code` is the exit code that it should have."""

    def run(*arguments: object, code: int = 0) -> dict:
        done = program("compress", *arguments, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures of soft blots: enough for ranges, not for accuracy."""
    cv2 = pytest.importorskip("cv2")
    numpy = pytest.importorskip("numpy")
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(8):
        noise = numpy.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=numpy.uint8)
        cv2.imwrite(str(folder / f"{seed}.png"), cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC))
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The manifests of all families of the zoo."""
    pytest.importorskip("onnx", reason="the Python package onnx is not set up: run scripts/setup.sh")
    import zoo

    folder = tmp_path_factory.mktemp("zoo")
    return {family: zoo.write(family, folder) for family in zoo.FAMILIES}
