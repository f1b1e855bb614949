"""`roadproof replay` as a user calls it, with the real model."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "nanodet-g.toml"


def replay(roadproof: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [roadproof, "replay", *(str(a) for a in arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    "treatment",
    [
        [],
        ["--corruption", "rain:3", "--corruption", "gaussian_noise:1.5", "--seed", "4"],
        ["--corruption", "frame_freeze:5", "--corruption", "frame_drop:2"],
        ["--corruption", "frame_delay:3", "--corruption", "snow:1", "--coherent-weather"],
        ["--campaign", "CAMPAIGN"],
    ],
)
def test_two_runs_give_the_same_bytes_at_any_number_of_workers(
    roadproof: str, collages: Path, tmp_path: Path, treatment: list[str]
) -> None:
    campaign = tmp_path / "campaign.toml"
    segment = 'kind = "ramp"\nstart_s = 0.2\nduration_s = 2\ncorruption = "fog"\nfrom = 1\nto = 4\n'
    campaign.write_text(f'format = 1\nname = "test"\n[[segment]]\n{segment}')
    treatment = [str(campaign) if word == "CAMPAIGN" else word for word in treatment]
    found = []
    for workers in ("1", "2", "5"):
        output = tmp_path / workers
        options = ["--rate", "5", "--window", "2", "--workers", workers, "--output", output]
        result = replay(roadproof, collages / "images", "--model", MODEL, *options, *treatment)
        assert result.returncode == 0, result.stderr
        found.append([(output / name).read_bytes() for name in ("detections.jsonl", "health.jsonl")])
    assert found[0] == found[1] == found[2]
    assert len(found[0][0].splitlines()) == 12 and len(found[0][1].splitlines()) == 3


def test_every_frame_is_accounted_for(roadproof: str, collages: Path, tmp_path: Path) -> None:
    source = tmp_path / "images"
    shutil.copytree(collages / "images", source)
    names = sorted(path.name for path in source.iterdir())
    (source / names[3]).write_bytes(b"no image")
    data = (source / names[5]).read_bytes()
    (source / names[5]).write_bytes(data[:1000])
    cv2.imwrite(str(source / names[7]), np.zeros((20, 20, 3), np.uint8))
    options = ["--corruption", "frame_drop:4", "--output", tmp_path / "out", "--json"]
    result = replay(roadproof, source, "--model", MODEL, *options)
    assert result.returncode == 0, result.stderr
    counts = json.loads(result.stdout)["frames"]
    assert counts["read"] == 12 == counts["processed"] + counts["dropped"] + counts["rejected"]
    records = lines(tmp_path / "out" / "detections.jsonl")
    assert [record["name"] for record in records] == names
    outcomes = [record["outcome"] for record in records]
    assert {outcome: outcomes.count(outcome) for outcome in set(outcomes)} == {
        outcome: counts[outcome] for outcome in ("processed", "dropped", "rejected") if counts[outcome]
    }
    assert records[3]["outcome"] == "rejected" and records[3]["reason"]
    assert counts["dropped"] >= 1


def test_a_video_is_replayed_and_drawn(roadproof: str, collages: Path, tmp_path: Path) -> None:
    video = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 10, (640, 480))
    for path in sorted((collages / "images").iterdir()):
        writer.write(cv2.imread(str(path)))
    writer.release()
    output = tmp_path / "out"
    result = replay(roadproof, video, "--model", MODEL, "--output", output, "--annotate")
    assert result.returncode == 0, result.stderr
    records = lines(output / "detections.jsonl")
    assert [record["stamp_ns"] for record in records] == [i * 100_000_000 for i in range(12)]
    assert sum(len(record["detections"]) for record in records) > 10
    drawn = cv2.VideoCapture(str(output / "camera.mp4"))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 12
    assert not list(output.glob("*.part*"))


def test_injection_is_told_in_health(roadproof: str, collages: Path, tmp_path: Path) -> None:
    options = ["--rate", "4", "--output", tmp_path]
    assert replay(roadproof, collages / "images", "--model", MODEL, *options).returncode == 0
    assert not any(record["is_injected"] for record in lines(tmp_path / "health.jsonl"))
    options += ["--corruption", "fog:1"]
    result = replay(roadproof, collages / "images", "--model", MODEL, *options)
    assert "corruptions are injected" in result.stderr
    assert all(record["is_injected"] for record in lines(tmp_path / "health.jsonl"))
    assert all(record["corruptions"] == ["fog:1"] for record in lines(tmp_path / "detections.jsonl"))


def test_what_is_wrong_is_said(roadproof: str, collages: Path, tmp_path: Path) -> None:
    def refused(*arguments: str | Path) -> str:
        result = replay(roadproof, *arguments, "--model", MODEL, "--output", tmp_path / "out")
        assert result.returncode != 0
        return result.stderr

    assert "does not exist" in refused("/nowhere.mp4")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no image" in refused(empty)
    (empty / "a.png").write_bytes(b"no image")
    assert "none of the 1 frames could be used" in refused(empty)
    noise = tmp_path / "noise.mcap"
    noise.write_bytes(bytes(range(256)))
    assert "noise.mcap" in refused(noise)
    assert "did you mean" in refused(collages / "images", "--corruption", "snw:1")
    assert "--rate" in refused(collages / "images", "--rate", "0")
    campaign = tmp_path / "campaign.toml"
    campaign.write_text("format = 1\nnme = 3\n")
    assert "campaign.toml" in refused(collages / "images", "--campaign", campaign)
