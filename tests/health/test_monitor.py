"""`roadproof evaluate --monitor`: how good the health figures are, with the real model."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "nanodet-g.toml"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


@pytest.fixture(scope="module")
def profile(roadproof: str, collages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "profile.json"
    result = run(roadproof, "profile", collages, "-m", MODEL, "-o", path, "--corruptions", "fog", "--severities", "3,5")
    assert result.returncode == 0, result.stderr
    return path


def evaluate(roadproof: str, collages: Path, output: Path, *more: str | Path) -> subprocess.CompletedProcess[str]:
    options = ["--corruptions", "fog,gaussian_noise", "--severities", "4", "--bootstrap", "100"]
    return run(roadproof, "evaluate", collages, "-m", MODEL, "-o", output, *options, *more)


def test_the_monitor_is_measured_and_told(roadproof: str, collages: Path, profile: Path, tmp_path: Path) -> None:
    options = ["--monitor", profile, "--monitor-draws", "3", "--monitor-hours", "0.2"]
    result = evaluate(roadproof, collages, tmp_path / "a", *options)
    assert result.returncode == 0, result.stderr
    for said in ("error of the estimated mAP", "held out", "oracle", "False alarms"):
        assert said in result.stdout, said
    monitor = json.loads((tmp_path / "a" / "report.json").read_text())["monitor"]
    assert monitor["profile"]["corruptions"] == ["fog"]
    held_out = {c["corruption"] for c in monitor["conditions"] if c["is_held_out"]}
    assert held_out == {"gaussian_noise"}
    clean = next(c for c in monitor["conditions"] if c["corruption"] is None and c["frames"] == 300)
    noisy = next(c for c in monitor["conditions"] if c["corruption"] == "gaussian_noise" and c["frames"] == 300)
    assert noisy["truth"] < clean["truth"] and noisy["estimate"] < clean["estimate"]
    for row in monitor["map"]:
        assert {e["name"] for e in row["estimators"]} >= {"roadproof", "mean_confidence", "pcr", "oracle"}
        assert all(0 <= e["mae"] <= 1 for e in row["estimators"])
    assert {s["corruption"] for s in monitor["alarms"]["steps"]} == {"fog", "gaussian_noise"}

    again = evaluate(roadproof, collages, tmp_path / "b", *options, "--workers", "1")
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "b" / "report.json").read_text())["monitor"] == monitor, "the same at any workers"

    page = tmp_path / "page.html"
    assert run(roadproof, "report", tmp_path / "a" / "report.json", "-o", page).returncode == 0
    assert 'id="monitor"' in page.read_text()


def test_what_cannot_be_measured_is_refused(roadproof: str, collages: Path, profile: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.json"
    content = json.loads(profile.read_text())
    content["model"]["sha256"] = "0" * 64
    foreign.write_text(json.dumps(content))
    cases = [
        (["--monitor", foreign, "--monitor-hours", "0"], "holds for one model only"),
        (["--monitor", tmp_path / "none.json"], "none.json"),
        (["--monitor", profile, "--monitor-hours", "5000"], "--monitor-hours"),
        (["--monitor", profile, "--monitor-draws", "0"], "--monitor-draws"),
    ]
    for options, said in cases:
        result = evaluate(roadproof, collages, tmp_path / "out", *options)
        assert result.returncode != 0 and said in result.stderr, result.stderr
