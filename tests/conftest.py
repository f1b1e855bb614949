"""What tests of several rooms need: the collages as a labelled set, the program, and what is installed of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "models" / "nanodet-g.toml"

# Its harness serves other rooms too.
sys.path.append(str(ROOT / "tests" / "e2e"))


@pytest.fixture(scope="session")
def roadproof() -> str:
    return os.environ.get("ROADPROOF_BIN", str(ROOT / "target" / "release" / "roadproof"))


@pytest.fixture(scope="session")
def collages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve labelled images; skips where footage or weights are not set up."""
    for needed in (ROOT / ".deps" / "footage" / "dog.jpg", MODEL.with_suffix(".onnx")):
        if not needed.exists():
            pytest.skip(f"{needed.name} is not set up: run scripts/setup.sh")
    folder = tmp_path_factory.mktemp("collages")
    script = ROOT / "scripts" / "demo" / "collages.py"
    subprocess.run([sys.executable, str(script), str(folder), "--images", "12"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def installed(roadproof: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What CMakeLists.txt installs for the node, around the program that is there already: nothing is built."""
    folder = tmp_path_factory.mktemp("installed")
    program = folder / "cargo" / "release" / "roadproof"
    program.parent.mkdir(parents=True)
    program.symlink_to(Path(roadproof).resolve(strict=True))
    build, prefix = folder / "build", folder / "prefix"
    configure = ["cmake", "-S", ROOT, "-B", build, "-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={sys.executable}"]
    install = ["cmake", "--install", build, "--prefix", prefix, "--component", "node"]
    for command in (configure, install):
        result = subprocess.run(
            [str(word) for word in command],
            env={**os.environ, "CARGO_TARGET_DIR": str(folder / "cargo")},
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr
    return prefix
