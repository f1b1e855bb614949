"""Every encoding gives the same detections as rgb8, and the same colours."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

from conftest import RigFactory
from harness.detections import assert_alike
from harness.peer import NODE, qos
from harness.pictures import ENCODERS, compressed_image, grey, patches, photograph, raw_image
from harness.rig import Camera, cameras

COLOUR = [name for name in ENCODERS if not name.startswith("mono")]
PERMUTED = ["bgr8", "rgba8", "bgra8"]
MONO = [name for name in ENCODERS if name.startswith("mono")]
SUBSAMPLED = [name for name in COLOUR if name not in ["rgb8", *PERMUTED]]

# What losing colour resolution may do to a detection, and the score from which it must be there on both sides
# (the threshold is 0.4). JPEG is held to the same.
IOU, SCORE, CLEAR = 0.85, 0.08, 0.5


@pytest.fixture(scope="module")
def raw(module_rig: RigFactory) -> Camera:
    parameters = cameras(["raw", "packed"], packed__transport="compressed", debug_image__max_rate_hz=1000.0)
    camera = Camera(module_rig(parameters), "raw")
    camera.connect()
    return camera


@pytest.fixture(scope="module")
def packed(raw: Camera) -> Camera:
    camera = Camera(raw.rig, "packed", message_type=CompressedImage)
    camera.connect()
    return camera


@pytest.mark.parametrize("encoding", PERMUTED)
@pytest.mark.parametrize("padding", [0, 13])
def test_permuted_channels_change_nothing(raw: Camera, encoding: str, padding: int) -> None:
    picture = photograph("dog.jpg")
    expected = raw.detect(raw_image(picture))
    assert expected
    assert raw.detect(raw_image(picture, encoding, padding)) == expected


@pytest.mark.parametrize("encoding", MONO)
@pytest.mark.parametrize("padding", [0, 6])
def test_grey_is_what_grey_colours_are(raw: Camera, encoding: str, padding: int) -> None:
    picture = photograph("astronaut.png")
    luma = grey(picture)
    expected = raw.detect(raw_image(np.stack([luma] * 3, axis=2)))
    assert [found.label for found in expected] == ["person"]
    assert raw.detect(raw_image(picture, encoding, padding)) == expected


@pytest.mark.parametrize("encoding", SUBSAMPLED)
def test_subsampled_colours_change_little(raw: Camera, encoding: str) -> None:
    for name in ("dog.jpg", "astronaut.png"):
        picture = photograph(name)
        expected = raw.detect(raw_image(picture))
        assert expected
        assert_alike(raw.detect(raw_image(picture, encoding)), expected, IOU, SCORE, CLEAR)


@pytest.mark.parametrize("encoding", SUBSAMPLED)
def test_padding_changes_nothing(raw: Camera, encoding: str) -> None:
    picture = photograph("dog.jpg")
    expected = raw.detect(raw_image(picture, encoding))
    assert raw.detect(raw_image(picture, encoding, padding=22)) == expected


def test_the_last_row_may_lack_its_padding(raw: Camera) -> None:
    picture = photograph("dog.jpg")
    message = raw_image(picture, "bgr8", padding=16)
    del message.data[-16:]
    assert raw.detect(message) == raw.detect(raw_image(picture))


def test_png_changes_nothing(raw: Camera, packed: Camera) -> None:
    picture = photograph("dog.jpg")
    assert packed.detect(compressed_image(picture, "png")) == raw.detect(raw_image(picture))


def test_jpeg_changes_little(raw: Camera, packed: Camera) -> None:
    for name in ("dog.jpg", "astronaut.png"):
        picture = photograph(name)
        expected = raw.detect(raw_image(picture))
        assert expected
        assert_alike(packed.detect(compressed_image(picture, "jpeg")), expected, IOU, SCORE, CLEAR)


@pytest.mark.parametrize("encoding", COLOUR)
def test_colours_are_not_mixed_up(raw: Camera, encoding: str) -> None:
    """A detector forgives red for blue, so the colours are looked at where they can be seen: in the debug image."""
    rgb, centres = patches()
    assert_colours(raw, raw_image(rgb, encoding), rgb, centres)


@pytest.mark.parametrize("codec", ["png", "jpeg"])
def test_compressed_colours_are_not_mixed_up(packed: Camera, codec: str) -> None:
    rgb, centres = patches()
    assert_colours(packed, compressed_image(rgb, codec), rgb, centres)


def assert_colours(
    camera: Camera, message: Image | CompressedImage, rgb: np.ndarray, centres: dict[str, tuple[int, int]]
) -> None:
    peer = camera.rig.peer
    images = peer.subscribe(Image, f"{NODE}/{camera.name}/debug/image", qos())

    def drawn() -> Image | None:
        # The node learns of the subscription only some frames later.
        camera.process(message)
        return images[-1] if images else None

    image = peer.wait_until(drawn, "a debug image")
    assert (image.encoding, image.height, image.width) == ("bgr8", *rgb.shape[:2])
    pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
    for name, (x, y) in centres.items():
        seen = pixels[y, 3 * x : 3 * x + 3][::-1].astype(int)
        assert np.abs(seen - rgb[y, x]).max() <= 4, f"{name}: {seen} instead of {rgb[y, x]}"
