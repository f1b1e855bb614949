"""The renderer: same seed, same bytes; masks that fit the pictures. Needs scripts/setup_sim.sh."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("ROADPROOF_DEPS", ROOT / ".deps")) / "sim" / "bin" / "python"

# In the simulator's own Python: what two frames hold.
SCRIPT = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
from roadproof_sim.camera import Camera
from roadproof_sim.simulation import Simulation
from roadproof_sim.truth import Limits
simulation = Simulation([Camera("front", 320, 192, 70.0)], 11, 10.0, 0.4)
found = {}
for weather in ("clear", "fog"):
    shot = simulation.frame(40, weather, Limits(8, 0.3))["front"]
    found[weather] = {
        "bytes": hashlib.sha256(shot.rgb.tobytes()).hexdigest(), "contrast": float(shot.rgb.std()),
        "boxes": [[box.key, box.class_name, *box.corners] for box in shot.boxes],
    }
print(json.dumps(found))
"""


def frames() -> dict:
    command = [str(PYTHON), "-c", SCRIPT, str(ROOT / "sim")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.skipif(not PYTHON.exists(), reason=f"{PYTHON} is missing: run scripts/setup_sim.sh")
def test_the_same_seed_gives_the_same_frames_and_weather_changes_them_alone() -> None:
    first, second = frames(), frames()
    assert first == second
    clear, fog = first["clear"], first["fog"]
    assert clear["boxes"] and clear["boxes"] == fog["boxes"]
    assert {"car", "person"} <= {name for _, name, *_ in clear["boxes"]}
    assert fog["contrast"] < 0.7 * clear["contrast"]
    for _, _, x_min, y_min, x_max, y_max in clear["boxes"]:
        assert 0 <= x_min < x_max <= 320 and 0 <= y_min < y_max <= 192
