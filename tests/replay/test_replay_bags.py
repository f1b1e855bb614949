"""Bags through `roadproof replay` and `roadproof corrupt`, looked at by mcap and rosbags."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "nanodet-g.toml"
STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE, COMPRESSED, STRING = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "std_msgs/msg/String"
START_NS = 1_704_067_200_000_000_000


@pytest.fixture(scope="module", params=list(StoragePlugin), ids=lambda storage: storage.name.lower())
def bag(request: pytest.FixtureRequest, collages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cameras, one raw and one compressed, and a topic that is neither."""
    path = tmp_path_factory.mktemp("bag") / "drive"
    types = {name: STORE.types[name] for name in (IMAGE, COMPRESSED, STRING)}
    header, time = STORE.types["std_msgs/msg/Header"], STORE.types["builtin_interfaces/msg/Time"]
    with Writer(path, version=9, storage_plugin=request.param) as writer:
        front = writer.add_connection("/front/image_raw", IMAGE, typestore=STORE)
        rear = writer.add_connection("/rear/image/compressed", COMPRESSED, typestore=STORE)
        chatter = writer.add_connection("/chatter", STRING, typestore=STORE)
        for number, file in enumerate(sorted((collages / "images").iterdir())):
            stamp_ns = START_NS + number * 250_000_000
            stamp = time(stamp_ns // 10**9, stamp_ns % 10**9)
            picture = cv2.imread(str(file))
            raw = types[IMAGE](header(stamp, "front_optical"), 480, 640, "bgr8", 0, 1920, picture.reshape(-1))
            jpeg = np.frombuffer(cv2.imencode(".jpg", picture)[1], np.uint8)
            compressed = types[COMPRESSED](header(stamp, "rear_optical"), "jpeg", jpeg)
            for connection, kind, message in (
                (front, IMAGE, raw),
                (rear, COMPRESSED, compressed),
                (chatter, STRING, types[STRING](f"message {number}")),
            ):
                writer.write(connection, stamp_ns + 5_000_000, STORE.serialize_cdr(message, kind))
    return path


def run(roadproof: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([roadproof, *(str(a) for a in arguments)], capture_output=True, text=True)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def decoded(path: Path) -> list[tuple[str, int, object]]:
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        return [
            (channel.topic, message.log_time, value) for _, channel, message, value in reader.iter_decoded_messages()
        ]


def test_a_bag_is_replayed_into_a_bag(roadproof: str, bag: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mcap"
    result = run(roadproof, "replay", bag, "--model", MODEL, "--output", tmp_path / "out", "--bag", target)
    assert result.returncode == 0, result.stderr
    records = lines(tmp_path / "out" / "detections.jsonl")
    assert len(records) == 24 and all(record["outcome"] == "processed" for record in records)
    front = [record for record in records if record["camera"] == "/front/image_raw"]
    assert [record["stamp_ns"] for record in front] == [START_NS + i * 250_000_000 for i in range(12)]
    assert {record["frame_id"] for record in front} == {"front_optical"}
    assert sum(len(record["detections"]) for record in front) > 10

    messages = decoded(target)
    times = [log_time for _, log_time, _ in messages]
    assert times == sorted(times)
    with Reader(bag) as reader:
        originals = [(c.topic, t, bytes(data)) for c, t, data in reader.messages()]
    with target.open("rb") as file:
        copied = [(c.topic, m.log_time, m.data) for _, c, m in make_reader(file).iter_messages()]
    assert sorted(m for m in copied if not m[0].startswith("/roadproof/")) == sorted(originals)

    found = [value for topic, _, value in messages if topic == "/roadproof/front/image_raw/detections"]
    assert len(found) == 12
    for message, record in zip(found, front, strict=True):
        assert message.header.frame_id == "front_optical"
        assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == record["stamp_ns"]
        assert [d.results[0].hypothesis.class_id for d in message.detections] == [
            d["class"] for d in record["detections"]
        ]
        for d, expected in zip(message.detections, record["detections"], strict=True):
            x_min, _, x_max, _ = expected["bbox"]
            assert d.bbox.center.position.x == pytest.approx((x_min + x_max) / 2)
            assert d.bbox.size_x == pytest.approx(x_max - x_min)
            assert d.results[0].hypothesis.score == pytest.approx(expected["score"])
    health = [value for topic, _, value in messages if topic == "/roadproof/rear/image/compressed/health"]
    assert len(health) == len([r for r in lines(tmp_path / "out" / "health.jsonl") if r["camera"].startswith("/rear")])
    assert health[-1].model_name == "nanodet-g" and len(health[-1].classes) == 80
    assert not health[-1].injection and health[-1].frames_received == 12


def test_topics_are_chosen(roadproof: str, bag: Path, tmp_path: Path) -> None:
    options = ["--model", MODEL, "--output", tmp_path / "out"]
    assert run(roadproof, "replay", bag, *options, "--topic", "/front/image_raw").returncode == 0
    assert len(lines(tmp_path / "out" / "detections.jsonl")) == 12
    refused = run(roadproof, "replay", bag, *options, "--topic", "/chatter")
    assert refused.returncode != 0 and "/front/image_raw" in refused.stderr


def test_a_corrupted_copy_replays_like_the_original_with_corruptions(roadproof: str, bag: Path, tmp_path: Path) -> None:
    corruptions = ["--corruption", "gaussian_noise:2", "--corruption", "frame_drop:3", "--seed", "9"]
    copy = tmp_path / "copy.mcap"
    result = run(roadproof, "corrupt", bag, *corruptions, "--output", copy)
    assert result.returncode == 0, result.stderr
    options = ["--model", MODEL, "--topic", "/front/image_raw"]
    assert run(roadproof, "replay", copy, *options, "--output", tmp_path / "a").returncode == 0
    assert run(roadproof, "replay", bag, *options, *corruptions, "--output", tmp_path / "b").returncode == 0

    def found(folder: str) -> list[tuple[int, list]]:
        records = lines(tmp_path / folder / "detections.jsonl")
        return [(r["stamp_ns"], r["detections"]) for r in records if r["outcome"] == "processed"]

    assert 0 < len(found("a")) < 12
    assert found("a") == found("b")
    chatter = [value.data for topic, _, value in decoded(copy) if topic == "/chatter"]
    assert chatter == [f"message {i}" for i in range(12)]


def test_a_cut_bag_gives_what_is_left_and_says_what_is_lost(roadproof: str, bag: Path, tmp_path: Path) -> None:
    whole = next(bag.glob("*.mcap"), None)
    if whole is None:
        pytest.skip("only MCAP is written piece by piece")
    # Small chunks, so that some are whole.
    cut = tmp_path / "cut.mcap"
    assert run(roadproof, "bag", "convert", whole, tmp_path / "small.mcap").returncode == 0
    data = (tmp_path / "small.mcap").read_bytes()
    cut.write_bytes(data[: len(data) * 2 // 3])
    result = run(roadproof, "replay", cut, "--model", MODEL, "--output", tmp_path / "out", "--json")
    assert "damaged" in result.stderr
    summary = json.loads(result.stdout)
    assert summary["loss"] and 0 < summary["frames"]["processed"] < 24
