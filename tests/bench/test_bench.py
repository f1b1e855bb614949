"""`roadproof bench` as a user calls it, with the real model."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import cv2
import numpy
import pytest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "nanodet-g.toml"
SCHEMA = ROOT / "docs" / "bench.schema.json"


@pytest.fixture(autouse=True)
def weights() -> None:
    if not MODEL.with_suffix(".onnx").exists():
        pytest.skip("the model is not set up: run scripts/setup.sh")


def bench(roadproof: str, *arguments: str | Path, model: Path = MODEL) -> subprocess.CompletedProcess[str]:
    rate, rest = arguments[:1] == ("rate",), arguments
    command = [roadproof, "bench", *(["rate"] if rate else []), "--model", str(model)]
    command += [str(argument) for argument in (rest[1:] if rate else rest)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_second_of_a_model(roadproof: str, tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    sizes = ["--size", "1280x720", "--size", "320x240"]
    result = bench(roadproof, "--duration", "1", "--batch", "1,1000", *sizes, "--json", "--output", output)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found == json.loads(output.read_text())
    schema = json.loads(SCHEMA.read_text())
    assert found["format"] == schema["properties"]["format"]["const"]
    assert set(found) == set(schema["required"])
    assert found["failures"] == [] and found["rates"] == []
    assert [row["batch"] for row in found["skipped"]] == [1000]

    rows = found["stages"]
    assert [row["subject"]["input"]["size"] for row in rows] == [
        {"width": 1280, "height": 720},
        {"width": 320, "height": 240},
    ]
    assert rows[0]["ratio"] == {"throughput": 1.0, "total_p50": 1.0}
    for row in rows:
        subject, total = row["subject"], row["stages"]["total"]
        assert (subject["runs_on"], subject["precision"]["main"]) == ("cpu", "float32")
        assert row["images"] == total["count"] > 0 and row["seconds"] >= 1
        assert row["images_per_second"] == pytest.approx(row["images"] / row["seconds"])
        assert 0 < total["p50_ms"] <= total["p90_ms"] <= total["max_ms"]
        assert (total["p99_ms"] is None) == (total["count"] < 100)
        assert (total["p999_ms"] is None) == (total["count"] < 1000)
    environment = found["environment"]
    assert environment["onnxruntime"] and environment["cores"] >= 1
    assert (environment["gpu"] is None) == (environment["gpu_problem"] is not None)


def test_a_table_for_people(roadproof: str, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("a.jpg", "b.png"):
        cv2.imwrite(str(pictures / name), numpy.full((48, 64, 3), 90, numpy.uint8))
    result = bench(roadproof, "--frames", "3", "--input", pictures)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert any("nanodet-g (float32) on cpu, batch 1, pictures 64x48" in line for line in lines)
    names = [line.split()[0] for line in lines if line.startswith("  ") and line.split()]
    assert names[-6:] == ["convert", "upload", "preprocess", "inference", "postprocess", "total"]


def test_cameras_at_a_rate(roadproof: str) -> None:
    settings = ["--cameras", "3", "--hz", "2,500", "--duration", "1", "--no-peak", "--size", "64x48", "--json"]
    result = bench(roadproof, "rate", *settings)
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["rates"]
    assert (row["cameras"], row["peak"], row["search"]) == (3, None, [])
    assert [(trial["rate_hz"], trial["sent"]) for trial in row["fixed"]] == [(2, 6), (500, 1500)]
    for trial in row["fixed"]:
        assert trial["sent"] == trial["processed"] + trial["lost"]
        assert trial["loss"] == pytest.approx(trial["lost"] / trial["sent"])
        assert trial["latency"]["count"] == trial["processed"] > 0
        assert trial["lateness"]["count"] == trial["sent"]


def test_the_peak_is_searched(roadproof: str) -> None:
    result = bench(roadproof, "rate", "--hz", "5", "--duration", "1", "--max-hz", "8", "--size", "64x48", "--json")
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["rates"]
    assert row["search"] and all(1 <= probe["rate_hz"] <= 8 for probe in row["search"])
    if row["peak"] is not None:
        trial = row["peak"]["trial"]
        assert trial["loss"] <= 0.05
        assert row["search"][-1] == {"rate_hz": trial["rate_hz"], "loss": trial["loss"]}


def test_a_provider_that_does_not_come_up_fails_and_the_others_are_measured(roadproof: str) -> None:
    providers = ["--provider", "cpu", "--provider", "cuda", "--device-id", "99"]
    result = bench(roadproof, "--frames", "2", *providers, "--json")
    assert result.returncode != 0
    found = json.loads(result.stdout)
    assert [row["subject"]["runs_on"] for row in found["stages"]] == ["cpu"]
    assert [failure["provider"] for failure in found["failures"]] == ["cuda"]
    assert "nanodet-g on cuda" in result.stderr and "1 of what was asked for" in result.stderr

    result = bench(roadproof, "--frames", "2", *providers, "--prefer", "--json")
    assert result.returncode == 0, result.stderr
    fallen = json.loads(result.stdout)["stages"][1]["subject"]
    assert (fallen["provider"], fallen["runs_on"]) == ("cuda,cpu", "cpu")
    assert any("cuda" in warning for warning in fallen["warnings"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "big"], ["big", "1280x720"]),
        (["--batch", "0"], ["--batch", "at least 1"]),
        (["--frames", "0"], ["--frames", "at least 1"]),
        (["--duration", "0.01"], ["--duration", "0.1"]),
        (["--duration", "nan"], ["--duration", "NaN"]),
        (["--input", "nowhere"], ["nowhere", "does not exist"]),
        (["--provider", "abacus"], ["abacus", "cpu"]),
        (["rate", "--hz", "0"], ["--hz", "0.1"]),
        (["rate", "--max-hz", "nan"], ["--max-hz"]),
        (["rate", "--cameras", "0"], ["--cameras", "1 to"]),
    ],
)
def test_what_cannot_be_used_is_refused(roadproof: str, arguments: list[str], words: list[str]) -> None:
    result = bench(roadproof, *arguments)
    assert result.returncode != 0 and result.stdout == ""
    assert all(word in result.stderr for word in words), result.stderr


def test_a_broken_picture_is_named(roadproof: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    result = bench(roadproof, "--input", tmp_path)
    assert result.returncode != 0 and "a.jpg" in result.stderr
