"""`roadproof evaluate` as a user calls it, with the real model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "nanodet-g.toml"


def evaluate(roadproof: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [roadproof, "evaluate", *(str(a) for a in arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def second_model(folder: Path) -> Path:
    """The same model under another name, all but blind: only what it is very sure of survives its own settings."""
    text = MODEL.read_text().replace('name = "nanodet-g"', 'name = "twin"')
    shutil.copy(MODEL.with_suffix(".onnx"), folder / "nanodet-g.onnx")
    path = folder / "twin.toml"
    path.write_text(text)
    return path


def test_a_study_of_two_models(roadproof: str, collages: Path, tmp_path: Path) -> None:
    output = tmp_path / "study"
    models = ["--model", MODEL, "--model", second_model(tmp_path)]
    options = ["--corruptions", "gaussian_noise,fog", "--severities", "2,5", "--min-support", "3", "--bootstrap", "200"]
    result = evaluate(roadproof, collages, *models, *options, "--output", output)
    assert result.returncode == 0, result.stderr
    assert "worst class" in result.stdout and "twin against nanodet-g" in result.stdout
    study = json.loads((output / "report.json").read_text())
    base, twin = study["variants"]
    assert (base["name"], base["base"], twin["base"]) == ("nanodet-g", None, "nanodet-g")
    assert base["clean"]["ap"] > 0.4
    assert [(cell["corruption"], cell["severity"]) for cell in base["cells"]] == [
        *(("gaussian_noise", s) for s in (2.0, 5.0)),
        *(("fog", s) for s in (2.0, 5.0)),
    ]
    cells = [cell["accuracy"]["ap"] for cell in base["cells"]]
    assert base["robustness"]["mpc"] == pytest.approx(sum(cells) / 4)
    assert base["robustness"]["rpc"] == pytest.approx(sum(cells) / 4 / base["clean"]["ap"])
    # The same model is no worse than itself, and says so without doubt.
    assert twin["clean"] == base["clean"]
    clean_drop = twin["against_base"]["clean_drop"]
    assert clean_drop["drop"] == 0 and clean_drop["p_value"] == 1
    interval = base["clean"]["ap_interval"]
    assert interval[0] <= base["clean"]["ap"] <= interval[1]
    worst = base["worst_class"]
    supported = {c["name"] for c in study["dataset"]["classes"] if c["instances"] >= 3}
    assert worst["ap"] == min(c["ap"] for c in base["clean"]["classes"] if c["name"] in supported)

    again = evaluate(roadproof, collages, *models, *options, "--output", output, "--json")
    assert "0 are left" in again.stderr
    repeated = json.loads(again.stdout)
    assert repeated.pop("created") and study.pop("created")
    assert repeated == study


def test_a_killed_study_goes_on(roadproof: str, collages: Path, tmp_path: Path) -> None:
    options = ["--corruptions", "noise", "--severities", "1,2,3,4,5", "--bootstrap", "100", "--workers", "1"]
    arguments = [str(collages), "--model", str(MODEL), *options]
    whole = evaluate(roadproof, *arguments, "--output", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr

    killed = subprocess.Popen([roadproof, "evaluate", *arguments, "--output", str(tmp_path / "killed")])
    cache = tmp_path / "killed" / "cache"
    deadline = time.monotonic() + 60
    while len(list(cache.glob("*.json"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in cache.glob("*.json")}
    assert 4 <= len(kept) < 21, "killed in the middle"

    resumed = evaluate(roadproof, *arguments, "--output", tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr
    assert f"{len(kept) * 12} runs of the model are kept" in resumed.stderr
    assert all((cache / name).stat().st_mtime_ns == stamp for name, stamp in kept.items()), "nothing is done twice"
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("whole", "killed")]
    for report in reports:
        report.pop("created")
        report["variants"][0].pop("latency")
    assert reports[0] == reports[1]


def test_a_damaged_cell_is_made_anew(roadproof: str, collages: Path, tmp_path: Path) -> None:
    arguments = [collages, "--model", MODEL, "--bootstrap", "100", "--output", tmp_path]
    assert evaluate(roadproof, *arguments).returncode == 0
    (cell,) = (tmp_path / "cache").glob("*.json")
    text = cell.read_text()
    cell.write_text(text[: len(text) // 2])
    result = evaluate(roadproof, *arguments)
    assert result.returncode == 0 and "damaged" in result.stderr
    assert json.loads(cell.read_text())["images"] == json.loads(text)["images"]


def test_what_is_wrong_is_said(roadproof: str, collages: Path, tmp_path: Path) -> None:
    def refused(*arguments: str | Path) -> str:
        result = evaluate(roadproof, *arguments, "--output", tmp_path / "x")
        assert result.returncode != 0
        return result.stderr

    model = ["--model", MODEL]
    assert "did you mean 'fog'" in refused(collages, *model, "--corruptions", "fogg")
    assert "stream" in refused(collages, *model, "--corruptions", "frame_drop")
    assert "clean image" in refused(collages, *model, "--severities", "0")
    assert "no model of this name" in refused(collages, *model, "--base", "other")
    assert "two models are called" in refused(collages, *model, *model)
    assert "nowhere" in refused("/nowhere", *model)
    assert "layout" in refused(tmp_path, *model)
    broken = tmp_path / "broken"
    shutil.copytree(collages, broken)
    first = sorted((broken / "images").iterdir())[0]
    data = first.read_bytes()
    first.write_bytes(data[: len(data) // 2])
    assert first.name in refused(broken, *model)
    (broken / "classes.txt").write_text("a\nb\nc\nd\ne\n")
    assert "class map" in refused(broken, *model)


def test_the_known_accuracy_on_photographs(roadproof: str, tmp_path: Path) -> None:
    """COCO AP of NanoDet-g on 128 photographs: 0.336 with the reference's resizing, ± 0.008 for other ones."""
    data = ROOT.parent / "shared" / "data" / "coco128-train"
    if not data.exists() or not MODEL.with_suffix(".onnx").exists():
        pytest.skip("the labelled photographs or the weights are not here")
    result = evaluate(roadproof, data, "--model", MODEL, "--output", tmp_path, "--json")
    assert abs(json.loads(result.stdout)["variants"][0]["clean"]["ap"] - 0.336) <= 0.008
