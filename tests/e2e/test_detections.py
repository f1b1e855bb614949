"""What is found in real photographs, and what the arrays say about it."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import RigFactory
from harness.detections import reference_detections
from harness.pictures import blank, photograph, raw_image
from harness.rig import Camera, Rig, cameras


@pytest.fixture(scope="module")
def front(module_rig: RigFactory) -> Camera:
    rig: Rig = module_rig(cameras(["front"]))
    camera = Camera(rig, "front")
    camera.connect()
    return camera


@pytest.mark.parametrize(
    ("name", "label"),
    [("astronaut.png", "person"), ("camera.png", "person"), ("dog.jpg", "dog"), ("chelsea.png", "cat")],
)
def test_an_object_is_found_where_the_reference_finds_it(front: Camera, name: str, label: str) -> None:
    picture = photograph(name)
    expected = next(found for found in reference_detections(picture) if found.label == label)
    found = max(front.detect(raw_image(picture)), key=lambda f: f.iou(expected) * (f.label == label))
    assert found.label == label
    assert found.iou(expected) >= 0.8
    assert found.score == pytest.approx(expected.score, abs=0.02)


def test_everything_in_a_picture_is_what_the_reference_finds(front: Camera) -> None:
    picture = photograph("dog.jpg")
    expected = reference_detections(picture)
    found = front.detect(raw_image(picture))
    assert [f.label for f in found] == [e.label for e in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.iou(theirs) >= 0.95
        assert ours.score == pytest.approx(theirs.score, abs=0.01)


def test_boxes_are_in_the_pixels_of_the_picture_that_was_sent(front: Camera) -> None:
    """Letterboxing differs for every shape; the boxes must not show it."""
    picture = photograph("astronaut.png")
    found = next(f for f in front.detect(raw_image(picture)) if f.label == "person")
    wide = np.zeros((600, 1600, 3), np.uint8)
    wide[40:552, 900:1412] = picture
    moved = next(f for f in front.detect(raw_image(wide)) if f.label == "person")
    expected = reference_detections(wide)[0]
    assert moved.iou(expected) >= 0.95
    left, top = moved.box[0] - found.box[0], moved.box[1] - found.box[1]
    assert (left, top) == (pytest.approx(900, abs=60), pytest.approx(40, abs=60))


def test_boxes_stay_inside_the_picture_and_scores_in_their_range(front: Camera) -> None:
    picture = photograph("camera.png")
    height, width = picture.shape[:2]
    array = front.process(raw_image(picture))
    assert array.detections
    for found, detection in zip(front.detect(raw_image(picture)), array.detections, strict=True):
        assert 0 <= found.box[0] < found.box[2] <= width
        assert 0 <= found.box[1] < found.box[3] <= height
        assert 0.4 <= found.score <= 1.0
        assert detection.bbox.center.theta == 0.0


def test_source_stamp_and_frame_are_passed_on(front: Camera) -> None:
    picture = photograph("dog.jpg")
    stamp_ns = 1_234_567_890 * 10**9 + 987_654_321
    array = front.process(raw_image(picture, frame_id="roof/left camera"), stamp_ns)
    assert (array.header.stamp.sec, array.header.stamp.nanosec) == (1_234_567_890, 987_654_321)
    assert array.header.frame_id == "roof/left camera"
    for detection in array.detections:
        assert detection.header == array.header
        # Without tracking nothing is claimed about identity.
        assert detection.id == ""


def test_frames_without_objects_give_empty_arrays(front: Camera) -> None:
    for level in (0, 60, 255):
        assert front.process(raw_image(blank(level=level))).detections == []


def test_the_same_frame_gives_the_same_detections(front: Camera) -> None:
    message = raw_image(photograph("dog.jpg"))
    first = front.detect(message)
    assert first
    assert front.detect(message) == first


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 700), (2000, 2), (417, 415)])
def test_odd_sizes_are_processed(front: Camera, width: int, height: int) -> None:
    assert front.process(raw_image(blank(width, height))).detections == []
