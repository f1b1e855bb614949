"""What tests of several rooms need: the collages as a labelled set, and the program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "models" / "nanodet-g.toml"


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
