"""What the node says about its own health, its diagnostics, and its pictures for people."""

from __future__ import annotations

import math

import numpy as np
import pytest
from roadproof.msg import CameraHealth, ClassHealth
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from conftest import RigFactory
from harness.peer import NODE
from harness.pictures import blank, photograph, raw_image
from harness.rig import ERROR, STALE, Camera, Rig, cameras, level, values


@pytest.fixture(scope="module")
def front(module_rig: RigFactory) -> Camera:
    rig: Rig = module_rig(cameras(["front"], health__min_support=5, health__window_s=20))
    camera = Camera(rig, "front")
    camera.connect()
    return camera


def classes(health: CameraHealth) -> dict[str, ClassHealth]:
    return {c.class_name: c for c in health.classes}


def test_health_counts_what_was_published(front: Camera) -> None:
    rig, inbox = front.rig, front.health()
    # The blank frames of connecting are no picture to health, and the same frame again and again is a frozen camera.
    rig.peer.spin(2.5)
    found = []
    for index in range(6):
        picture = photograph("dog.jpg").copy()
        picture[:32, :32] = 20 * index
        found.append(front.detect(raw_image(picture, frame_id="bumper")))
    health = rig.peer.wait_until(lambda: last_with(inbox, "dog", 6), "health of six frames")
    assert health.image_state == CameraHealth.IMAGE_NORMAL
    assert health.header.frame_id == "bumper"
    assert (health.camera, health.model_name) == ("front", "nanodet-g")
    assert len(health.model_sha256) == 64
    assert health.window_s == 20.0
    assert not health.injection
    assert len(health.classes) == 80
    for label in ("dog", "bicycle", "car"):
        entry = classes(health)[label]
        assert entry.published == sum(f.label == label for frame in found for f in frame)
        assert entry.status == ClassHealth.OK
        assert entry.detections >= entry.published
        assert sum(entry.score_histogram) == entry.detections
        assert 0.1 <= entry.score_p10 <= entry.score_p50 <= entry.score_p90 <= 1.0
        assert math.isnan(entry.expected_precision), "there is no profile to compare with"
    dog = classes(health)["dog"]
    assert dog.score_p90 == pytest.approx(next(f.score for f in found[0] if f.label == "dog"), abs=0.02)
    rare = classes(health)["zebra"]
    assert rare.status == ClassHealth.INSUFFICIENT_DATA
    assert "0 of 5" in rare.reason


def last_with(inbox: list[CameraHealth], label: str, least: int) -> CameraHealth | None:
    """The newest message, if it counts enough detections of a class."""
    return inbox[-1] if inbox and classes(inbox[-1])[label].published >= least else None


def test_a_silent_camera_makes_health_stale_and_frames_bring_it_back(front: Camera) -> None:
    rig, inbox = front.rig, front.health()
    front.process(raw_image(blank()))
    rig.peer.wait_until(lambda: inbox and inbox[-1].status == CameraHealth.STALE, "stale health")
    assert "stale" in inbox[-1].reason
    assert all(c.status == ClassHealth.STALE for c in inbox[-1].classes)
    assert level(rig.wait_status("health front")) == STALE
    frame = raw_image(blank())

    def fresh() -> bool:
        front.send(frame)
        return inbox[-1].status != CameraHealth.STALE

    rig.peer.wait_until(fresh, "fresh health")


def test_disabled_classes_have_no_health(front: Camera) -> None:
    inbox = front.health()
    try:
        front.rig.peer.set("enabled_classes", ["person", "bus"])
        front.rig.peer.wait_until(lambda: inbox and len(inbox[-1].classes) == 2, "health of two classes")
        assert set(classes(inbox[-1])) == {"person", "bus"}
    finally:
        front.rig.peer.set("enabled_classes", None)


def test_diagnostics_have_the_documented_statuses_and_keys(front: Camera) -> None:
    """Alarms are built on these: they are part of the interface (docs/diagnostics.md)."""
    rig = front.rig
    rig.wait_active()
    expected = {
        "lifecycle": {"state"},
        "input front": {
            *("topic", "transport", "qos", "publishers", "rate_hz", "silence_s", "age_ms", "stamp_jumps"),
            *("received", "processed", "overwritten", "stale", "rejected", "pending", "last_rejection"),
        },
        "health front": {
            *("frames", "detections", "published", "supported_classes", "time_jumps"),
            *("estimated_map", "estimated_corruption"),
        },
        "model": {"name", "sha256", "decoder", "input_width_px", "input_height_px", "classes", "onnxruntime"},
        "inference": {
            *("provider", "frames_processed", "batch_mean"),
            *(
                f"{stage}_{figure}_ms"
                for stage in (
                    "wait",
                    "convert",
                    "preprocess",
                    "inference",
                    "postprocess",
                    "quality",
                    "publish",
                    "health",
                    "total",
                    "age",
                )
                for figure in ("p50", "p99")
            ),
        },
    }
    for subject, keys in expected.items():
        found = {key for key in values(rig.wait_status(subject)) if not key.startswith("class.")}
        assert keys <= found, subject


def test_diagnostics_and_health_come_once_a_second(front: Camera) -> None:
    inbox = front.health()
    diagnostics = front.rig.diagnostics
    start = len(diagnostics)
    front.rig.peer.wait_until(lambda: len(inbox) >= 4 and len(diagnostics) >= start + 4, "four reports")
    for times in (inbox.times[-4:], diagnostics.times[start : start + 4]):
        assert 2.5 < times[-1] - times[0] < 4.5


def test_a_debug_image_is_drawn_while_somebody_looks(front: Camera) -> None:
    rig = front.rig
    rig.peer.set("debug_image.max_rate_hz", 100.0)
    picture = photograph("dog.jpg")
    pictures = rig.peer.subscribe(Image, f"{NODE}/front/debug/image")

    def drawn() -> bool:
        front.process(raw_image(picture, frame_id="bumper"))
        return bool(pictures)

    rig.peer.wait_until(drawn, "a debug image")
    image = pictures[-1]
    assert (image.width, image.height, image.encoding) == (picture.shape[1], picture.shape[0], "bgr8")
    assert image.header.frame_id == "bumper"
    pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)[:, : image.width * 3]
    difference = np.abs(pixels.reshape(picture.shape)[:, :, ::-1].astype(int) - picture).max(axis=2)
    changed = (difference > 30).mean()
    assert 0.002 < changed < 0.2, "boxes and labels, and nothing else"
    rig.peer.set("debug_image.max_rate_hz", None)


def test_simulated_time_may_jump_back(rig: RigFactory) -> None:
    """A bag that starts over: the health begins anew, frames go on."""
    node = rig({**cameras(["front"], use_sim_time=True), "max_age_ms": 1000})
    clock = node.peer.publisher(Clock, "/clock")
    camera = Camera(node, "front")
    frame = raw_image(photograph("dog.jpg"))
    inbox = camera.health()

    def tick(now_s: float) -> int:
        message = Clock()
        message.clock.sec, message.clock.nanosec = int(now_s), round(now_s % 1 * 1e9)
        clock.publish(message)
        node.peer.spin(0.02)
        return round(now_s * 1e9)

    def run_until(start_s: float, done: object) -> float:
        now_s = start_s

        def step() -> bool:
            nonlocal now_s
            now_s += 0.1
            stamp = camera.send(frame, tick(now_s))
            node.peer.spin(0.05)
            return camera.answer(stamp) is not None and done()  # type: ignore[operator]

        node.peer.wait_until(step, f"frames from {start_s} s on")
        return now_s

    run_until(1000.0, lambda: inbox and classes(inbox[-1])["dog"].published >= 5)
    status = node.wait_status("input front")
    assert int(values(status)["stamp_jumps"]) == 0
    count = len(inbox)
    run_until(500.0, lambda: len(inbox) > count)
    status = node.wait_status("input front", lambda s: values(s)["stamp_jumps"] == "1", "the jump is counted")
    assert int(values(status)["stale"]) <= 2


def test_a_frozen_camera_is_an_error_that_passes(front: Camera) -> None:
    """Also without a profile: a picture that never changes is no picture of the road."""
    rig, inbox = front.rig, front.health()
    message = raw_image(photograph("dog.jpg"))

    def state(wanted: int, fresh: bool) -> bool:
        if fresh:
            picture = photograph("dog.jpg").copy()
            picture[:32, :32] = front.sent % 250
            front.process(raw_image(picture))
        else:
            front.process(message)
        # on a busy machine a report can come while the next frame is late
        on_time = bool(inbox) and inbox[-1].status != CameraHealth.STALE
        return on_time and inbox[-1].image_state == wanted

    rig.peer.wait_until(lambda: state(CameraHealth.IMAGE_FROZEN, fresh=False), "frozen")
    assert inbox[-1].status == CameraHealth.ERROR and "frozen" in inbox[-1].reason

    def told() -> bool:
        front.process(message)
        status = rig.status("health front")
        return status is not None and level(status) == ERROR and "frozen" in status.message

    rig.peer.wait_until(told, "the diagnostics say so")
    rig.peer.wait_until(lambda: state(CameraHealth.IMAGE_NORMAL, fresh=True), "a picture again")
