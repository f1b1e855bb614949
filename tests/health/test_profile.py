"""`roadproof profile` as a user calls it, with the real model."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "nanodet-g.toml"
FEW = ["--corruptions", "gaussian_noise,fog", "--severities", "2,5"]


def run(roadproof: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [roadproof, "profile", *(str(a) for a in arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def made(roadproof: str, collages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "profile.json"
    result = run(roadproof, collages, "--model", MODEL, *FEW, "-o", path)
    assert result.returncode == 0, result.stderr
    assert "worst class first" in result.stdout and "gaussian_noise" in result.stdout
    return path


def test_what_a_profile_holds(made: Path, collages: Path) -> None:
    profile = json.loads(made.read_text())
    assert profile["version"] == 1
    assert profile["model"]["sha256"] == hashlib.sha256(MODEL.with_suffix(".onnx").read_bytes()).hexdigest()
    source = profile["source"]
    assert source["frames"] == 12 and source["is_labelled"] and not source["is_stream"]
    assert source["low_score"] == pytest.approx(0.1)
    classes = profile["classes"]
    assert len(classes) == 80
    labels = [line for file in (collages / "labels").glob("*.txt") for line in file.read_text().splitlines()]
    assert sum(c["instances"] for c in classes) == len(labels)
    for c in classes:
        assert len(c["score_histogram"]) == 100 and not any(c["score_histogram"][:10])
        detections = sum(c["score_histogram"])
        assert c["detections_per_frame"][0] == pytest.approx(detections / 12)
        assert c["published_per_frame"][0] <= c["detections_per_frame"][0]
        if c["precision_by_score"] is not None:
            assert c["precision_by_score"] == sorted(c["precision_by_score"])
        if c["frames_share"] > 0:
            assert max(c["co_occurrence"]) == 1.0
    defined = [c["ap"] for c in classes if c["ap"] is not None]
    assert profile["camera"]["map"] == pytest.approx(sum(defined) / len(defined))
    assert profile["camera"]["map"] > 0.4


def test_curves_start_clean_and_fall(made: Path) -> None:
    profile = json.loads(made.read_text())
    curves = {c["corruption"]: c["points"] for c in profile["curves"]}
    assert list(curves) == ["gaussian_noise", "fog"]
    for points in curves.values():
        assert [p["severity"] for p in points] == [0.0, 2.0, 5.0]
        assert points[0]["map"] == profile["camera"]["map"] > points[2]["map"]
        retained = [v for v in points[0]["class_retention"] if v is not None]
        assert retained and set(retained) == {1.0}


def test_workers_and_the_cache_change_nothing(roadproof: str, collages: Path, made: Path, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    cells = made.with_suffix(".cache")
    arguments = [collages, "--model", MODEL, *FEW, "-o", path]
    result = run(roadproof, *arguments, "--workers", "3", "--cache", tmp_path / "anew")
    assert result.returncode == 0, result.stderr
    assert path.read_bytes() == made.read_bytes()
    before = {file: file.stat().st_mtime_ns for file in cells.iterdir()}
    assert len(before) == 5
    result = run(roadproof, *arguments, "--cache", cells)
    assert result.returncode == 0, result.stderr
    assert path.read_bytes() == made.read_bytes()
    assert {file: file.stat().st_mtime_ns for file in cells.iterdir()} == before
    # A damaged cell is made anew; what depends on the lowest score is not taken from another.
    victim = next(iter(before))
    victim.write_text(victim.read_text()[:100])
    assert run(roadproof, *arguments, "--cache", cells).returncode == 0
    assert path.read_bytes() == made.read_bytes()
    assert run(roadproof, *arguments, "--cache", cells, "--low-score", "0.2").returncode == 0
    assert len(list(cells.iterdir())) == 10
    assert path.read_bytes() != made.read_bytes()


def test_an_interrupted_run_goes_on(roadproof: str, collages: Path, made: Path, tmp_path: Path) -> None:
    path, cells = tmp_path / "profile.json", tmp_path / "cells"
    arguments = [str(a) for a in (collages, "--model", MODEL, *FEW, "-o", path, "--cache", cells)]
    process = subprocess.Popen([roadproof, "profile", *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up and not list(cells.glob("*.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate()
    kept = {file: file.stat().st_mtime_ns for file in cells.glob("*.json")}
    assert kept and (len(kept) == 5 or not path.exists())
    assert run(roadproof, *arguments).returncode == 0
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert path.read_bytes() == made.read_bytes()


def test_a_recording_has_no_labels(roadproof: str, collages: Path, tmp_path: Path) -> None:
    path = tmp_path / "out" / "profile.json"
    options = ["--corruptions", "contrast,fog", "--held-out", "fog", "--severities", "5", "--json"]
    result = run(roadproof, collages / "images", "--model", MODEL, *options, "--rate", "5", "-o", path)
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert summary["map"] is None and [c["corruption"] for c in summary["curves"]] == ["contrast"]
    profile = json.loads(path.read_text())
    assert profile["source"]["is_stream"] and not profile["source"]["is_labelled"]
    assert all(c["ap"] is None and c["precision_by_score"] is None and c["instances"] == 0 for c in profile["classes"])
    clean, severe = profile["curves"][0]["points"]
    assert clean["map"] == 1.0 > severe["map"]
    assert profile["alarms"] == {"false_alarms_per_10h": 1.0, "frame_rate_hz": 5.0, "window_s": 30}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--corruptions", "rain_of_frogs"], "rain_of_frogs"),
        (["--corruptions", "freeze"], "freeze"),
        (["--severities", "0"], "--severities"),
        (["--low-score", "0.9"], "low_score"),
        (["--false-alarms", "0"], "--false-alarms"),
        (["--window", "1"], "window_s"),
        (["--rate", "0"], "--rate"),
    ],
)
def test_bad_arguments_are_named(
    roadproof: str, collages: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    path = tmp_path / "profile.json"
    result = run(roadproof, collages, "--model", MODEL, "-o", path, *arguments)
    assert result.returncode != 0 and said in result.stderr, result.stderr
    assert not path.exists()


def test_sources_that_cannot_be_used(roadproof: str, collages: Path, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    for source, said in [(tmp_path / "nothing", "does not exist"), (tmp_path, "holds no image")]:
        result = run(roadproof, source, "--model", MODEL, "-o", path)
        assert result.returncode != 0 and said in result.stderr, result.stderr
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"no image")
    result = run(roadproof, folder, "--model", MODEL, "-o", path)
    assert result.returncode != 0 and "none of its 1 frames" in result.stderr, result.stderr
    assert not path.exists()
