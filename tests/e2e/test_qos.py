"""Subscriptions that find every publisher, and say why where they cannot."""

from __future__ import annotations

import pytest
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from conftest import RigFactory
from harness.peer import qos
from harness.pictures import blank, compressed_image, photograph, raw_image
from harness.rig import ERROR, OK, Camera, cameras, level, values


@pytest.mark.parametrize("reliable", [True, False])
@pytest.mark.parametrize("latched", [True, False])
def test_every_offer_is_matched(rig: RigFactory, reliable: bool, latched: bool) -> None:
    node = rig(cameras(["front"]))
    camera = Camera(node, "front", qos(reliable=reliable, latched=latched))
    camera.connect()
    camera.process(raw_image(blank()))
    status = node.wait_status("input front", lambda s: values(s)["publishers"] == "1", "the publisher")
    assert ("reliable" in values(status)["qos"]) == reliable
    assert ("transient_local" in values(status)["qos"]) == latched


def test_a_publisher_may_come_late_change_and_come_back(rig: RigFactory) -> None:
    node = rig(cameras(["front"]))
    node.wait_message("input front", "stale", "nobody publishes /front", at=ERROR)
    camera = Camera(node, "front", qos(reliable=True))
    camera.connect()
    for reliable in (False, True, False):
        camera.republish(qos(reliable=reliable))
        camera.connect()
        assert camera.detect(raw_image(photograph("chelsea.png")))
    # Frames, not only the publisher, bring the status back.
    stamp = camera.send(raw_image(blank()))
    node.peer.wait_until(lambda: camera.answer(stamp), "an answer")


def test_history_that_a_new_subscription_gets_again_is_left_out(rig: RigFactory) -> None:
    """The node hears a publisher by its old subscription until it makes one that fits, which gets the publisher's
    last frames once more."""
    node = rig(cameras(["front"]))
    camera = Camera(node, "front", qos(reliable=False))
    camera.connect()
    camera.republish(qos(reliable=True, latched=True))
    answered = len(camera.detections)

    def repeated() -> bool:
        camera.send(raw_image(blank()))
        node.peer.spin(0.05)
        status = node.status("input front")
        return status is not None and int(values(status)["repeated"]) > 0

    node.peer.wait_until(repeated, "frames that come again")
    stamps = [(m.header.stamp.sec, m.header.stamp.nanosec) for m in camera.detections[answered:]]
    assert len(stamps) > 1
    assert stamps == sorted(set(stamps)), "none twice, none older than the one before it"


def test_a_wish_that_cannot_be_met_is_explained(rig: RigFactory) -> None:
    node = rig({**cameras(["front"]), "front.reliability": "reliable"})
    camera = Camera(node, "front", qos(reliable=False))
    message = node.wait_message("input front", "best_effort", "front.reliability", at=ERROR)
    assert "/peer" in message
    camera.send(raw_image(blank()))
    node.peer.spin(0.3)
    assert not camera.detections
    camera.republish(qos(reliable=True))
    camera.connect()
    node.wait_status("input front", lambda s: "best_effort" not in s.message, "no complaint any more")


def test_another_type_on_the_topic_is_explained(rig: RigFactory) -> None:
    node = rig(cameras(["front", "packed"], packed__transport="compressed"))
    text = node.peer.publisher(String, "/front")
    text.publish(String(data="not an image"))
    message = node.wait_message("input front", "std_msgs/msg/String", "sensor_msgs/msg/Image", at=ERROR)
    assert "front.topic" in message
    # Raw images where compressed ones are expected: the usual mistake.
    mistaken = Camera(node, "packed")
    message = node.wait_message("input packed", "sensor_msgs/msg/Image", "CompressedImage", at=ERROR)
    assert "packed.transport" in message
    mistaken.withdraw()
    right = Camera(node, "packed", message_type=CompressedImage)
    right.connect()
    assert right.detect(compressed_image(photograph("chelsea.png"), "png"))


def test_a_topic_may_be_remapped(rig: RigFactory) -> None:
    node = rig(cameras(["front"]), ["-r", "/front:=/sensing/camera/front/image_raw"])
    camera = Camera(node, "front", topic="/sensing/camera/front/image_raw")
    camera.connect()
    camera.process(raw_image(blank()))
    status = node.wait_status("input front", lambda s: values(s)["publishers"] == "1", "the remapped publisher")
    assert values(status)["topic"] == "/sensing/camera/front/image_raw"


def test_a_camera_that_falls_silent_is_an_error_within_two_seconds_and_recovers(rig: RigFactory) -> None:
    node = rig(cameras(["front"]))
    camera = Camera(node, "front")
    camera.connect()
    frame = raw_image(blank())

    def well() -> bool:
        camera.send(frame)
        status = node.status("input front")
        return status is not None and level(status) == OK

    for _ in range(2):
        node.peer.wait_until(well, "the camera is well", timeout=3.0)
        # From the last frame on: 1 s until it counts as stale (the default), at most 1 s until the next report.
        camera.process(frame)
        node.wait_message("input front", "stale: no frame on /front", at=ERROR, timeout=2.2)
