"""Every scenario for some seconds, as a user runs it. The figures of docs/reliability.md come from longer runs.

What depends on the machine's speed is left out here: other tests may run beside these.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .scenarios import SCENARIOS, Scenario

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.soak", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=170
    )


@pytest.mark.timeout(180)
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_short(scenario: Scenario, tmp_path: Path) -> None:
    if not Path(os.environ.get("ROADPROOF_BIN", ROOT / "target" / "release" / "roadproof")).is_file():
        pytest.fail("the program is missing: run `cargo build --release`, or set ROADPROOF_BIN")
    minutes = str(scenario.short_s / 60)
    ended = run(scenario.name, "--minutes", minutes, "--no-pin", "--untimed", "-o", str(tmp_path))
    told = json.loads((tmp_path / f"{scenario.name}.json").read_text())
    if told["skipped"]:
        pytest.skip(told["skipped"])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(told["checks"]) > 5


def test_help_names_every_scenario() -> None:
    told = run("--help")
    assert told.returncode == 0
    assert all(name in told.stdout for name in SCENARIOS)


@pytest.mark.parametrize("arguments", [("levitate",), ("overload", "--minutes", "0"), ("overload", "--minutes", "-1")])
def test_wrong_usage_is_refused(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert "error" in ended.stderr


def test_a_table_needs_reports(tmp_path: Path) -> None:
    ended = run("table", "-o", str(tmp_path))
    assert ended.returncode == 2
    assert str(tmp_path) in ended.stderr
