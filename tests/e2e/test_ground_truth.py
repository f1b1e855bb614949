"""Ground truth in the node: live figures that are those of `roadproof evaluate`, what cannot be used, recording."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.qos import ReliabilityPolicy
from roadproof.msg import CameraHealth, GroundTruthHealth
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from conftest import RigFactory
from harness.peer import NODE, Inbox
from harness.pictures import FRAME_ID, blank, raw_image
from harness.process import MODEL
from harness.rig import ERROR, OK, WARN, Camera, Rig, cameras, level, values

TOPIC = "/front/ground_truth"

# Published figures are of 32 bits.
FLOAT32 = 1e-6

# Of the estimate, seconds.
WINDOW_S = 8

# An image that no compression makes smaller, for a disk that is full soon.
NOISE_SHAPE = (480, 640, 3)


@dataclass(frozen=True)
class Scene:
    """A picture and what is in it: name and (centre x, centre y, width, height) in pixels."""

    picture: np.ndarray
    objects: Sequence[tuple[str, tuple[float, float, float, float]]]


@pytest.fixture(scope="module")
def scenes(collages: Path) -> list[Scene]:
    classes = (collages / "classes.txt").read_text().splitlines()
    found = []
    for path in sorted((collages / "images").iterdir()):
        bgr = cv2.imread(str(path))
        height, width = bgr.shape[:2]
        objects = []
        for line in (collages / "labels" / f"{path.stem}.txt").read_text().splitlines():
            index, *shares = line.split()
            box = tuple(float(share) * side for share, side in zip(shares, (width, height) * 2, strict=True))
            objects.append((classes[int(index)], box))
        found.append(Scene(np.ascontiguousarray(bgr[:, :, ::-1]), objects))
    return found


def detection(name: str, box: Sequence[float], theta: float = 0.0) -> Detection2D:
    entry = Detection2D()
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id, result.hypothesis.score = name, 1.0
    entry.results.append(result)
    entry.bbox.center.position.x, entry.bbox.center.position.y = float(box[0]), float(box[1])
    entry.bbox.size_x, entry.bbox.size_y = float(box[2]), float(box[3])
    entry.bbox.center.theta = theta
    return entry


class Truth:
    """Publishes the ground truth of one camera and hears the figures by it."""

    def __init__(self, rig: Rig, topic: str = TOPIC) -> None:
        self.rig = rig
        self.publisher = rig.peer.publisher(Detection2DArray, topic, 50)
        self.figures: Inbox[GroundTruthHealth] = rig.peer.subscribe(
            GroundTruthHealth, f"{NODE}/front/ground_truth/health"
        )

    def connect(self) -> None:
        """Waits until the node asks for what is offered and messages arrive; those sent for that have the stamp 0."""

        def matched() -> bool:
            infos = self.rig.peer.node.get_subscriptions_info_by_topic(TOPIC)
            return any(info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in infos)

        self.rig.peer.wait_until(matched, f"the node subscribes to {TOPIC} as it is offered")
        before = self.figures[-1].truths_unstamped if self.figures else 0

        def arrives() -> bool:
            self.send((0, 0), [])
            self.rig.peer.spin(0.2)
            return bool(self.figures) and self.figures[-1].truths_unstamped > before

        self.rig.peer.wait_until(arrives, f"the node hears {TOPIC}")

    def send(self, stamp: tuple[int, int], objects: Sequence[Detection2D], frame_id: str = FRAME_ID) -> None:
        message = Detection2DArray(detections=list(objects))
        message.header.stamp = Time(sec=stamp[0], nanosec=stamp[1])
        message.header.frame_id = frame_id
        self.publisher.publish(message)

    def scene(self, stamp: tuple[int, int], scene: Scene) -> None:
        self.send(stamp, [detection(name, box) for name, box in scene.objects])

    def wait(self, condition: Any, what: str, timeout: float = 20.0) -> GroundTruthHealth:
        """Figures that are told from now on and fulfil `condition`."""
        seen = len(self.figures)
        try:
            return self.rig.peer.wait_until(
                lambda: next((f for f in self.figures[seen:] if condition(f)), None), what, timeout
            )
        except AssertionError as error:
            raise AssertionError(f"{error}; last: {self.figures[-1:]}") from None


def check_sums(figures: GroundTruthHealth) -> None:
    """Every message of ground truth is in exactly one place."""
    f = figures
    parts = f.frames_compared + f.wrong_frame_id + f.truths_without_frame + f.truths_waiting
    assert parts + f.truths_duplicate + f.truths_unstamped + f.truths_malformed == f.truths_received, f


def start(rig: RigFactory, **parameters: Any) -> tuple[Rig, Camera, Truth]:
    node = rig(cameras(["front"], front__ground_truth=TOPIC, **parameters))
    camera = Camera(node, "front")
    camera.connect()
    truth = Truth(node)
    truth.connect()
    return node, camera, truth


def evaluate(roadproof: str, bag: Path, output: Path) -> dict[str, Any]:
    """What `roadproof evaluate` makes of a bag, from the score on that the node keeps."""
    topics = ["--topic", "/front", "--truth-topic", TOPIC]
    options = ["--score", "0.1", "--bootstrap", "100", "--json", "-o", str(output)]
    command = [roadproof, "evaluate", str(bag), *topics, "-m", str(MODEL), *options]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["variants"][0]["clean"]


def test_live_figures_are_those_of_the_recorded_bag(
    rig: RigFactory, roadproof: str, scenes: list[Scene], tmp_path: Path
) -> None:
    bag = tmp_path / "drive.mcap"
    # Longer than a message takes that DDS has to send again.
    node, camera, truth = start(rig, record__path=str(bag), ground_truth__wait_ms=15_000)
    for index, scene in enumerate(scenes):
        image = raw_image(scene.picture)
        stamp_ns = time.time_ns()
        stamp = (stamp_ns // 10**9, stamp_ns % 10**9)
        if index % 2:
            truth.scene(stamp, scene)
            camera.process(image, stamp_ns)
        else:
            camera.process(image, stamp_ns)
            truth.scene(stamp, scene)
    figures = truth.wait(lambda f: f.frames_compared == len(scenes), "all frames are compared")
    check_sums(figures)
    assert figures.frames == len(scenes) and figures.window_frames == 300
    assert (figures.camera, figures.topic, figures.injection) == ("front", TOPIC, False)
    assert figures.low_score == pytest.approx(0.1) and figures.iou == pytest.approx(0.5)
    assert sum(c.instances for c in figures.classes) == sum(len(scene.objects) for scene in scenes)
    assert all(math.isnan(c.estimated_ap) for c in figures.classes), "there is no profile"

    shown = values(node.wait_status("ground truth front", lambda s: level(s) == OK))
    assert float(shown["map"]) == pytest.approx(figures.map, abs=1e-3)
    assert shown["frames_compared"] == str(len(scenes))
    recording = node.wait_status("recording")
    assert level(recording) == OK and values(recording)["path"] == str(bag)

    check_published(figures, camera, scenes)
    node.node.leave()
    assert bag.is_file()
    recorded = evaluate(roadproof, bag, tmp_path / "study")
    assert figures.map == pytest.approx(recorded["ap"], abs=FLOAT32)
    live = {c.class_name: c.ap for c in figures.classes if c.instances}
    offline = {c["name"]: c["ap"] for c in recorded["classes"] if c["ap"] is not None}
    assert live.keys() == offline.keys()
    for name, ap in offline.items():
        assert live[name] == pytest.approx(ap, abs=FLOAT32), name
    assert any(ap > 0.2 for ap in live.values()), "there is something to compare"
    check_bag(bag)


def check_published(figures: GroundTruthHealth, camera: Camera, scenes: list[Scene]) -> None:
    """Counts of published detections are those of the topic."""
    published: dict[str, int] = {}
    for array in camera.detections[-len(scenes) :]:
        for entry in array.detections:
            name = entry.results[0].hypothesis.class_id
            published[name] = published.get(name, 0) + 1
    assert {c.class_name: c.published for c in figures.classes if c.published} == published
    for c in figures.classes:
        assert c.right <= min(c.published, c.instances)
        if c.published:
            assert c.precision == pytest.approx(c.right / c.published, abs=FLOAT32)
        if c.instances:
            assert c.recall == pytest.approx(c.right / c.instances, abs=FLOAT32)


def check_bag(bag: Path) -> None:
    """Another reader of MCAP finds every topic with its type and definition."""
    reader = pytest.importorskip("mcap.reader")
    with bag.open("rb") as file:
        summary = reader.make_reader(file).get_summary()
    assert summary is not None and summary.statistics is not None
    counts = {summary.channels[i].topic: n for i, n in summary.statistics.channel_message_counts.items()}
    schemas = {channel.topic: summary.schemas[channel.schema_id] for channel in summary.channels.values()}
    for topic, name in {
        "/front": "sensor_msgs/msg/Image",
        TOPIC: "vision_msgs/msg/Detection2DArray",
        f"{NODE}/front/detections": "vision_msgs/msg/Detection2DArray",
        f"{NODE}/front/health": "roadproof/msg/CameraHealth",
        f"{NODE}/front/ground_truth/health": "roadproof/msg/GroundTruthHealth",
    }.items():
        assert schemas[topic].name == name and schemas[topic].data
        assert counts[topic] > 0, topic
    assert counts["/front"] == counts[f"{NODE}/front/detections"]


def test_what_cannot_be_used_is_counted_and_told(rig: RigFactory, scenes: list[Scene]) -> None:
    node, camera, truth = start(rig, ground_truth__wait_ms=300)
    box, nan = (30.0, 20.0, 10.0, 10.0), math.nan
    stamp_ns = time.time_ns()
    stamp = (stamp_ns // 10**9, stamp_ns % 10**9)
    objects = [
        detection("person", box),
        detection("persn", box),
        detection("17", box),
        detection("person", (nan, 20.0, 10.0, 10.0)),
        detection("person", (30.0, 20.0, -10.0, 10.0)),
        detection("person", (500.0, 20.0, 10.0, 10.0)),
        detection("person", (0.0, 20.0, 10.0, 10.0)),
        detection("person", box, theta=0.2),
    ]
    truth.send(stamp, objects)
    truth.send(stamp, objects[:1])
    camera.process(raw_image(blank()), stamp_ns)
    later_ns = stamp_ns + 1_000_000
    truth.send((later_ns // 10**9, later_ns % 10**9), [], frame_id="rear")
    camera.process(raw_image(blank()), later_ns)
    truth.send((1, 5), [])
    truth.publisher.publish(b"\x00\x01\x00\x00\x01")
    figures = truth.wait(lambda f: f.truths_malformed and f.truths_without_frame, "everything is counted")
    check_sums(figures)
    assert (figures.frames_compared, figures.wrong_frame_id) == (1, 1)
    assert (figures.truths_duplicate, figures.truths_malformed, figures.truths_without_frame) == (1, 1, 1)
    assert (figures.objects_received, figures.objects_unknown_class) == (8, 2)
    assert (figures.objects_bad_box, figures.objects_outside) == (2, 1)
    assert (figures.objects_partly_outside, figures.objects_rotated) == (1, 1)
    (person,) = (c for c in figures.classes if c.class_name == "person")
    assert person.instances == 3

    def told() -> str:
        statuses = [status for array in node.diagnostics for status in array.status]
        return "\n".join(status.message for status in statuses if "ground truth" in status.name)

    for text in ("'persn'", "'rear'", "theta", "outside the image of 64 × 48"):
        node.peer.wait_until(lambda: text in told(), f"diagnostics say {text}")  # noqa: B023
    shown = values(node.wait_status("ground truth front"))
    assert (shown["unknown_class.persn"], shown["unknown_class.17"]) == ("1", "1")
    log = node.node.log()
    assert "'17' is a number" in log
    assert log.count("no class 'persn'") == 1

    # More of the same is counted, and not told again in the log.
    truth.send((2, 5), objects)
    truth.wait(lambda f: f.objects_unknown_class == 4, "further objects are counted")
    assert node.node.log().count("no class 'persn'") == 1


def test_stamps_that_never_match_are_explained(rig: RigFactory, scenes: list[Scene]) -> None:
    node, camera, truth = start(rig, ground_truth__wait_ms=200)
    seen = len(node.diagnostics)

    def told() -> bool:
        stamp = camera.send(raw_image(blank()))
        truth.send((stamp[0], stamp[1] ^ 1), [])
        node.peer.spin(0.1)
        statuses = [s for a in node.diagnostics[seen:] for s in a.status if s.name == "roadproof: ground truth front"]
        return any(level(s) == WARN and "exactly their stamp" in s.message for s in statuses)

    node.peer.wait_until(told, "diagnostics say that stamps differ")
    assert truth.figures[-1].frames_compared == 0


def test_another_type_on_the_topic_is_named(rig: RigFactory) -> None:
    node = rig(cameras(["front"], front__ground_truth=TOPIC))
    node.wait_message("ground truth front", "nobody publishes", at=WARN)
    node.peer.publisher(Image, TOPIC)
    node.wait_message("ground truth front", "sensor_msgs/msg/Image", "front.ground_truth", at=ERROR)
    node.wait_active()


def test_off_means_that_there_is_nothing_of_it(rig: RigFactory) -> None:
    node = rig(cameras(["front"]))
    camera = Camera(node, "front")
    camera.connect()
    node.wait_active()
    names = {status.name for array in node.diagnostics for status in array.status}
    assert not any("ground truth" in name or "recording" in name for name in names)
    topics = {name for name, _ in node.peer.node.get_topic_names_and_types()}
    assert f"{NODE}/front/detections" in topics
    assert f"{NODE}/front/ground_truth/health" not in topics
    threads = {p.read_text().strip() for p in Path(f"/proc/{node.node.process.pid}/task").glob("*/comm")}
    assert "roadproof-worke" in threads, threads
    assert not threads & {"roadproof-truth", "roadproof-recor"}


def test_a_wrong_iou_is_refused_with_the_reason(rig: RigFactory) -> None:
    node = rig(cameras(["front"], front__ground_truth=TOPIC, ground_truth__iou=0.72))
    node.wait_message("lifecycle", "ground_truth.iou", "0.72", "0.55", at=ERROR)


# ---- a campaign, and the estimate beside the truth


@pytest.fixture(scope="module")
def profile(roadproof: str, collages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "profile.json"
    options = ["--corruptions", "fog,gaussian_noise", "--severities", "1,3,5", "--window", str(WINDOW_S), "--rate", "8"]
    command = [roadproof, "profile", str(collages), "-m", str(MODEL), "-o", str(path), *options]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return path


CAMPAIGN = """format = 1
name = "noise"
[[segment]]
kind = "hold"
start_s = 0
duration_s = 600
steps = ["gaussian_noise:5"]
"""


@pytest.mark.timeout(240)
def test_truth_falls_under_a_campaign_and_the_estimate_follows(
    rig: RigFactory, profile: Path, scenes: list[Scene], tmp_path: Path
) -> None:
    campaign = tmp_path / "noise.toml"
    campaign.write_text(CAMPAIGN)
    parameters = {
        "health__profile": str(profile),
        "health__window_s": WINDOW_S,
        "ground_truth__window_frames": len(scenes),
    }
    parameters["ground_truth__wait_ms"] = 15_000
    node, camera, truth = start(rig, **parameters)
    health = camera.health()

    def play(reports: int) -> GroundTruthHealth:
        """Frames until so many reports have come, which fill both windows with them; the last report."""
        seen, index = len(truth.figures), 0
        while len(truth.figures) < seen + reports or truth.figures[-1].frames < len(scenes):
            scene = scenes[index % len(scenes)]
            array = camera.process(raw_image(scene.picture))
            truth.scene((array.header.stamp.sec, array.header.stamp.nanosec), scene)
            node.peer.spin(0.02)
            index += 1
        return truth.figures[-1]

    clean = play(WINDOW_S + 2)
    assert not clean.injection
    node.peer.set("inject.campaign", str(campaign))
    node.peer.set("inject.armed", True)
    noisy = play(WINDOW_S + 4)
    assert noisy.injection
    assert "gaussian_noise" in noisy.corruption
    assert noisy.map < clean.map - 0.2, (clean.map, noisy.map)
    assert noisy.estimated_map < clean.estimated_map - 0.1, (clean.estimated_map, noisy.estimated_map)
    assert clean.map_error == pytest.approx(clean.estimated_map - clean.map, abs=0.05)
    for figures in (clean, noisy):
        for c in figures.classes:
            if not math.isnan(c.ap_error):
                assert c.ap_error == pytest.approx(c.estimated_ap - c.ap, abs=1e-5)
    estimates = {c.class_name: c.estimated_ap for c in health[-1].classes}
    assert estimates.keys() >= {c.class_name for c in noisy.classes}
    assert isinstance(health[-1], CameraHealth)


# ---- recording


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("a small file system takes root and mount")
    command = [mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {result.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_the_recording_and_nothing_else(rig: RigFactory, roadproof: str, small_disk: Path) -> None:
    node, camera, _ = start(rig, record__path=str(small_disk / "drive.mcap"))
    noise = np.random.default_rng(1).integers(0, 256, NOISE_SHAPE, np.uint8)

    def is_full() -> bool:
        camera.process(raw_image(noise))
        status = node.status("recording")
        return status is not None and level(status) == ERROR

    node.peer.wait_until(is_full, "the disk is full", timeout=40)
    status = node.status("recording")
    assert status is not None and "recording has ended" in status.message and "drive.mcap.partial" in status.message
    camera.process(raw_image(blank()))
    shown = values(node.wait_status("recording", lambda s: int(values(s)["dropped_unwritable"]) > 0))
    rest = int(shown["dropped_full"]) + int(shown["dropped_unwritable"])
    # Messages may be offered between one count and the next.
    assert int(shown["written"]) + rest <= int(shown["offered"]) <= int(shown["written"]) + rest + 10
    assert node.wait_message("lifecycle", "active", at=OK)
    node.node.leave()
    assert "could not be written" in node.node.log()
    info = subprocess.run(
        [roadproof, "bag", "info", str(small_disk / "drive.mcap.partial")], capture_output=True, text=True
    )
    assert "/front" in info.stdout, info.stdout + info.stderr


def test_what_a_killed_node_recorded_can_be_read(
    rig: RigFactory, roadproof: str, scenes: list[Scene], tmp_path: Path
) -> None:
    node = rig(cameras(["front"], record__path=str(tmp_path / "drive.mcap")))
    camera = Camera(node, "front")
    camera.connect()
    for scene in scenes:
        camera.process(raw_image(scene.picture))
    shown = values(node.wait_status("recording", lambda s: int(values(s)["written"]) > 2 * len(scenes)))
    assert shown["waiting_bytes"].isdigit()
    node.node.kill()
    command = [roadproof, "bag", "info", str(tmp_path / "drive.mcap.partial"), "--json"]
    info = subprocess.run(command, capture_output=True, text=True)
    assert info.returncode == 2, "a part of it is missing, and that is said"
    counts = {topic["name"]: topic["messages"] for topic in json.loads(info.stdout)["topics"]}
    # Up to the chunk of 4 MiB that was not written yet.
    assert counts["/front"] >= len(scenes) - 6, counts


def test_a_recording_that_cannot_begin_is_no_reason_not_to_drive(rig: RigFactory, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    node = rig(cameras(["front"], record__path=str(tmp_path / "file" / "drive.mcap")))
    camera = Camera(node, "front")
    camera.connect()
    node.wait_message("recording", "nothing is recorded", str(tmp_path / "file"), at=ERROR)


def test_every_activation_makes_a_bag_of_its_own(rig: RigFactory, tmp_path: Path) -> None:
    node = rig(cameras(["front"], record__path=str(tmp_path / "drive.mcap")))
    camera = Camera(node, "front")
    camera.connect()
    assert node.peer.transit("deactivate")
    assert (tmp_path / "drive.mcap").is_file()
    assert node.peer.transit("activate")
    assert values(node.wait_status("recording"))["path"] == str(tmp_path / "drive_2.mcap")
    assert node.peer.transit("deactivate")
    assert (tmp_path / "drive_2.mcap").is_file()
