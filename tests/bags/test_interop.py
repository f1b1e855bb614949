"""`roadproof bag` beside other readers and writers of bags: rosbags, mcap, mcap-ros2-support."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from mcap_ros2.decoder import DecoderFactory
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

ROOT = Path(__file__).parents[2]
BINARY = Path(os.environ.get("ROADPROOF_BIN", ROOT / "target" / "release" / "roadproof"))
STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
# 2024, so that nothing fits 32 bits.
START_NS = 1_704_067_200_000_000_001
ENCODINGS = {"rgb8": 3, "bgr8": 3, "mono8": 1, "mono16": 2, "bayer_rggb8": 1, "yuv422_yuy2": 2, "32FC1": 4}
# Part of the source could not be read.
INCOMPLETE = 2

Stored = tuple[str, str, int, bytes]


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BINARY, "bag", *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def info(bag: Path, returncode: int = 0) -> dict:
    done = run("info", bag, "--json")
    assert done.returncode == returncode, done.stderr
    return json.loads(done.stdout)


def stamp(time_ns: int) -> object:
    header, time = (STORE.types[name] for name in ("std_msgs/msg/Header", "builtin_interfaces/msg/Time"))
    return header(time(time_ns // 10**9, time_ns % 10**9), "camera")


def messages() -> list[Stored]:
    """A camera in several encodings, and one that sends JPEG, a little out of order."""
    rng = np.random.default_rng(1)
    made = []
    for number, (encoding, width) in enumerate(ENCODINGS.items()):
        time_ns = START_NS + number * 33_000_000
        data = rng.integers(0, 256, 16 * 9 * width, dtype=np.uint8)
        image = STORE.types[IMAGE](stamp(time_ns), 9, 16, encoding, 0, 16 * width, data)
        made.append(("/camera/image_raw", IMAGE, time_ns, bytes(STORE.serialize_cdr(image, IMAGE))))
        data = rng.integers(0, 256, 200 + number, dtype=np.uint8)
        image = STORE.types[COMPRESSED](stamp(time_ns), "jpeg", data)
        made.append(
            ("/front/compressed", COMPRESSED, time_ns - 40_000_000, bytes(STORE.serialize_cdr(image, COMPRESSED)))
        )
    return made


def qos() -> Qos:
    forever = QosTime(9223372036, 854775807)
    return Qos(
        QosHistory.KEEP_LAST, 5, QosReliability.BEST_EFFORT, QosDurability.VOLATILE, forever, forever,
        QosLiveliness.AUTOMATIC, forever, False,
    )  # fmt: skip


def write(path: Path, made: list[Stored], storage: StoragePlugin, mode: CompressionMode, version: int = 9) -> None:
    writer = Writer(path, version=version, storage_plugin=storage)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, kind, time_ns, data in made:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE, offered_qos_profiles=[qos()])
            writer.write(connections[topic], time_ns, data)


def by_rosbags(bag: Path) -> list[Stored]:
    with Reader(bag) as reader:
        return [(c.topic, c.msgtype, time_ns, bytes(data)) for c, time_ns, data in reader.messages()]


def by_mcap(path: Path) -> list[Stored]:
    with path.open("rb") as file:
        return [
            (channel.topic, schema.name, message.log_time, message.data)
            for schema, channel, message in make_reader(file, validate_crcs=True).iter_messages()
        ]


def in_time(made: list[Stored]) -> list[Stored]:
    return sorted(made, key=lambda message: message[2])


STORAGES = [
    (storage, mode)
    for storage in StoragePlugin
    for mode in CompressionMode
    if not (storage == StoragePlugin.SQLITE3 and mode == CompressionMode.STORAGE)
]


@pytest.mark.parametrize("version", [8, 9])
@pytest.mark.parametrize(("storage", "mode"), STORAGES, ids=lambda value: value.name.lower())
def test_bags_of_rosbags_keep_every_byte(
    tmp_path: Path, storage: StoragePlugin, mode: CompressionMode, version: int
) -> None:
    made = messages()
    bag, file, folder = tmp_path / "bag", tmp_path / "copy.mcap", tmp_path / "copy"
    write(bag, made, storage, mode, version)
    seen = info(bag)
    assert seen["messages"] == len(made)
    assert seen["loss"] is None
    assert (seen["start_ns"], seen["end_ns"]) == (min(m[2] for m in made), max(m[2] for m in made))
    assert {topic["name"]: topic["type"] for topic in seen["topics"]} == {m[0]: m[1] for m in made}

    for target in (file, folder):
        done = run("convert", bag, target)
        assert done.returncode == 0, done.stderr
    assert by_mcap(file) == in_time(made)
    assert by_rosbags(folder) == in_time(made)

    with Reader(bag) as before, Reader(folder) as after:
        for old, new in zip(
            *(sorted(reader.connections, key=lambda c: c.topic) for reader in (before, after)), strict=True
        ):
            assert (old.topic, old.msgtype, old.msgcount) == (new.topic, new.msgtype, new.msgcount)
            assert old.msgdef == new.msgdef
            assert old.ext.offered_qos_profiles == new.ext.offered_qos_profiles

    with file.open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == "ros2"
        assert reader.get_header().library.startswith("roadproof ")
        decoded = [message for _, _, _, message in reader.iter_decoded_messages()]
    images = [message for message in decoded if hasattr(message, "encoding")]
    assert [image.encoding for image in images] == list(ENCODINGS)


def test_only_the_topics_asked_for_are_copied(tmp_path: Path) -> None:
    made = messages()
    write(tmp_path / "bag", made, StoragePlugin.MCAP, CompressionMode.STORAGE)
    done = run("convert", tmp_path / "bag", tmp_path / "one.mcap", "--topic", "/front/compressed")
    assert done.returncode == 0, done.stderr
    assert by_mcap(tmp_path / "one.mcap") == [m for m in in_time(made) if m[0] == "/front/compressed"]
    done = run("convert", tmp_path / "bag", tmp_path / "none.mcap", "--topic", "/no")
    assert done.returncode == 1
    assert "no topic /no" in done.stderr
    done = run("convert", tmp_path / "bag", tmp_path / "one.mcap")
    assert "already exists" in done.stderr


@pytest.mark.parametrize("storage", list(StoragePlugin), ids=lambda value: value.name.lower())
def test_a_bag_without_messages(tmp_path: Path, storage: StoragePlugin) -> None:
    with Writer(tmp_path / "bag", version=9, storage_plugin=storage) as writer:
        writer.add_connection("/camera/image_raw", IMAGE, typestore=STORE)
    seen = info(tmp_path / "bag")
    assert (seen["messages"], seen["duration_s"], len(seen["topics"])) == (0, 0.0, 1)
    assert run("convert", tmp_path / "bag", tmp_path / "copy").returncode == 0
    assert by_rosbags(tmp_path / "copy") == []


def test_split_bags_are_one_stream(tmp_path: Path) -> None:
    made = in_time(messages())
    parts = [made[:5], made[5:9], made[9:]]
    for number, part in enumerate(parts):
        write(tmp_path / f"part{number}", part, StoragePlugin.SQLITE3, CompressionMode.NONE)
    bag = tmp_path / "bag"
    bag.mkdir()
    names = []
    for number in range(len(parts)):
        (source,) = (tmp_path / f"part{number}").glob("*.db3")
        names.append(f"bag_{number}.db3")
        source.rename(bag / names[-1])
    metadata = (tmp_path / "part0" / "metadata.yaml").read_text()
    begin = metadata.index("  relative_file_paths:")
    end = metadata.index("\n  ", metadata.index("- ", begin)) if "\n  " in metadata[begin:] else len(metadata)
    listed = "  relative_file_paths:\n" + "".join(f"  - {name}\n" for name in names)
    (bag / "metadata.yaml").write_text(metadata[:begin] + listed.rstrip("\n") + metadata[end:])
    assert info(bag)["messages"] == len(made)
    assert run("convert", bag, tmp_path / "copy.mcap").returncode == 0
    assert by_mcap(tmp_path / "copy.mcap") == made
    (bag / names[1]).unlink()
    done = run("info", bag)
    assert done.returncode == 1
    assert f"{names[1]}: named in" in done.stderr


@pytest.mark.parametrize("compression", list(CompressionType), ids=lambda value: value.name.lower())
@pytest.mark.parametrize("chunking", [True, False])
def test_files_of_the_mcap_library(tmp_path: Path, compression: CompressionType, chunking: bool) -> None:
    made = messages()
    path = tmp_path / "file.mcap"
    writer = McapWriter(str(path), compression=compression, use_chunking=chunking, chunk_size=2000)
    writer.start("ros2", "test")
    channels = {}
    for topic, kind, time_ns, data in made:
        if topic not in channels:
            definition, _ = STORE.generate_msgdef(kind, ros_version=2)
            schema = writer.register_schema(kind, "ros2msg", definition.encode())
            channels[topic] = writer.register_channel(topic, "cdr", schema)
        writer.add_message(channels[topic], time_ns, data, time_ns - 5, 0)
    writer.finish()
    assert run("convert", path, tmp_path / "copy.mcap").returncode == 0
    assert by_mcap(tmp_path / "copy.mcap") == in_time(made)
    with (tmp_path / "copy.mcap").open("rb") as file:
        assert all(m.publish_time == m.log_time - 5 for _, _, m in make_reader(file).iter_messages())


def old_database(path: Path, kind: str, messages: list[bytes]) -> None:
    """As rosbag2 of 2019 wrote it: no definitions, no quality of service."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT)")
        database.execute(
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB)"
        )
        database.execute("INSERT INTO topics VALUES (1, '/topic', ?, 'cdr')", (kind,))
        for number, data in enumerate(messages):
            database.execute("INSERT INTO messages VALUES (?, 1, ?, ?)", (number + 1, START_NS + number, data))


@pytest.mark.parametrize("ros", [True, False])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("camera_health", "roadproof/msg/CameraHealth"),
        ("detections", "vision_msgs/msg/Detection2DArray"),
        ("image", IMAGE),
        ("compressed_image", COMPRESSED),
    ],
)
def test_definitions_are_found_where_the_bag_has_none(tmp_path: Path, name: str, kind: str, ros: bool) -> None:
    data = (ROOT / "tests" / "data" / "cdr" / f"{name}.cdr").read_bytes()
    old_database(tmp_path / "old.db3", kind, [data])
    environment = {} if ros else {"AMENT_PREFIX_PATH": ""}
    done = run("convert", tmp_path / "old.db3", tmp_path / "new.mcap", **environment)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "new.mcap").open("rb") as file:
        ((schema, _, stored, message),) = make_reader(
            file, decoder_factories=[DecoderFactory()]
        ).iter_decoded_messages()
    assert (schema.name, stored.data) == (kind, data)
    assert message.header.stamp.sec == 1_700_000_000
    assert message.header.frame_id == "camera"
    if name == "camera_health":
        assert message.worst_class == "worst_class"
        assert [entry.probe_corruption for entry in message.classes] == ["probe_corruption"] * 2
        assert message.classes[1].score_histogram == list(range(20))
    if name == "detections":
        assert [entry.id for entry in message.detections] == ["track 0", "track 1"]


def test_types_without_a_definition_are_copied_with_a_warning(tmp_path: Path) -> None:
    old_database(tmp_path / "old.db3", "unheard_of/msg/Thing", [b"\0\1\0\0\5"])
    done = run("convert", tmp_path / "old.db3", tmp_path / "new.mcap")
    assert done.returncode == 0
    assert "no definition of unheard_of/msg/Thing" in done.stdout
    assert by_mcap(tmp_path / "new.mcap") == [("/topic", "unheard_of/msg/Thing", START_NS, b"\0\1\0\0\5")]


@pytest.mark.parametrize(("storage", "mode"), STORAGES, ids=lambda value: value.name.lower())
def test_damaged_bags_are_read_in_part_and_say_so(
    tmp_path: Path, storage: StoragePlugin, mode: CompressionMode
) -> None:
    made = messages() * 6
    write(tmp_path / "bag", made, storage, mode)
    (path,) = (path for path in (tmp_path / "bag").iterdir() if path.name != "metadata.yaml")
    whole = path.read_bytes()
    read = 0
    rng = random.Random(3)
    for _ in range(12):
        damaged = bytearray(whole)
        if rng.random() < 0.5:
            del damaged[rng.randrange(len(damaged)) :]
        else:
            for _ in range(rng.randrange(1, 8)):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        target = tmp_path / "copy.mcap"
        done = run("convert", tmp_path / "bag", target)
        assert done.returncode in (0, 1, INCOMPLETE), done.stderr
        assert "panicked" not in done.stderr
        if done.returncode == INCOMPLETE:
            assert "lost: " in done.stdout
        if done.returncode != 1:
            copied = by_mcap(target)
            if storage == StoragePlugin.MCAP or len(damaged) < len(whole):
                # SQLite has no checksums: a flipped bit in a picture goes unnoticed.
                assert done.returncode == INCOMPLETE or len(copied) == len(made)
            read += len(copied)
            target.unlink()
        assert not (tmp_path / "copy.mcap.partial").exists()
    assert read > 0


def test_an_interrupted_recording_is_read(tmp_path: Path) -> None:
    made = messages() * 20
    write(tmp_path / "bag", made, StoragePlugin.MCAP, CompressionMode.NONE)
    (path,) = (tmp_path / "bag").glob("*.mcap")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seen = info(path, INCOMPLETE)
    assert 0 < seen["messages"] < len(made)
    assert seen["loss"]["messages_missing"] is None
    # With its metadata it is known how many are missing.
    seen = info(tmp_path / "bag", INCOMPLETE)
    assert seen["loss"]["messages_missing"] == len(made) - seen["messages"]
    assert seen["loss"]["bytes_unread"] > 0
    assert "interrupted" in seen["warnings"][0]
