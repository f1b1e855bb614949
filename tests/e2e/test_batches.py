"""Several cameras in one run of the model: the same results, nothing lost, and no camera in another's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from vision_msgs.msg import Detection2DArray

from conftest import RigFactory
from harness.detections import Found, found_in
from harness.models import with_free_batch
from harness.pictures import photograph, raw_image
from harness.rig import WARN, Camera, Rig, cameras, values

PICTURES = {"left": "dog.jpg", "right": "astronaut.png"}
ROUNDS = 15


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_free_batch(tmp_path_factory.mktemp("free_batch"))


def connected(rig: Rig) -> dict[str, Camera]:
    found = {name: Camera(rig, name) for name in PICTURES}
    for camera in found.values():
        camera.connect()
    return found


def play(rig: Rig, found: dict[str, Camera], rounds: int) -> dict[str, list[Detection2DArray]]:
    """Sends a picture of every camera at the same time, and the next ones when all are answered."""
    messages = {name: raw_image(photograph(PICTURES[name]), frame_id=f"{name}_optical") for name in found}
    answers: dict[str, list[Detection2DArray]] = {name: [] for name in found}
    for _ in range(rounds):
        stamps = {name: camera.send(messages[name]) for name, camera in found.items()}
        for name, camera in found.items():

            def answered(camera: Camera = camera, name: str = name) -> Detection2DArray | None:
                return camera.answer(stamps[name])  # noqa: B023

            answers[name].append(rig.peer.wait_until(answered, f"an answer to '{name}'"))
    return answers


def assert_same(found: list[Found], expected: list[Found]) -> None:
    assert [f.label for f in found] == [e.label for e in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=1e-5)
        assert ours.box == pytest.approx(theirs.box, abs=1e-2)


def test_two_cameras_in_one_run_get_what_each_gets_alone(rig: RigFactory, model: Path) -> None:
    single = rig({**cameras(list(PICTURES)), "model": str(model)})
    expected = {name: found_in(arrays[0]) for name, arrays in play(single, connected(single), 1).items()}
    assert all(expected.values()) and values(single.wait_status("inference"))["batch_mean"] == "1.00"

    node = rig({**cameras(list(PICTURES)), "model": str(model), "batch_max": 2, "batch_window_ms": 20})
    both = connected(node)
    for name, arrays in play(node, both, ROUNDS).items():
        assert {array.header.frame_id for array in arrays} == {f"{name}_optical"}
        for array in arrays:
            assert_same(found_in(array), expected[name])
        assert len({(array.header.stamp.sec, array.header.stamp.nanosec) for array in arrays}) == ROUNDS
    for camera in both.values():
        counters = camera.quiet_counters()
        assert counters["received"] == counters["processed"] == camera.sent
    assert float(values(node.wait_status("inference"))["batch_mean"]) > 1.0

    # Alone again, the frames of one camera are answered all the same.
    for array in play(node, {"left": both["left"]}, 5)["left"]:
        assert_same(found_in(array), expected["left"])


def test_a_bad_frame_does_not_spoil_the_other_camera(rig: RigFactory, model: Path) -> None:
    from sensor_msgs.msg import CompressedImage

    from harness.pictures import compressed_image

    parameters = {"right.transport": "compressed", "batch_max": 2, "batch_window_ms": 20}
    node = rig({**cameras(list(PICTURES)), "model": str(model), **parameters})
    left, right = Camera(node, "left"), Camera(node, "right", message_type=CompressedImage)
    left.connect()
    right.connect()
    picture = raw_image(photograph(PICTURES["left"]))
    broken = compressed_image(photograph(PICTURES["right"]), "png")
    broken.data = broken.data[: len(broken.data) // 2]
    before = right.quiet_counters()["rejected"]
    for _ in range(5):
        right.send(broken)
        assert left.detect(picture)
    after = right.quiet_counters()
    assert after["rejected"] + after["overwritten"] == before + 5
    assert left.quiet_counters()["rejected"] == 0


def test_a_model_of_one_image_per_run_says_so(rig: RigFactory) -> None:
    node = rig({**cameras(list(PICTURES)), "batch_max": 2})
    node.wait_message("inference", "2 images", "takes 1", at=WARN)
    assert connected(node)["left"].detect(raw_image(photograph(PICTURES["left"])))
