"""Frames that cannot be used: counted, explained, and the next good one is processed."""

from __future__ import annotations

import array
import struct
import zlib
from collections.abc import Callable

import pytest
from sensor_msgs.msg import CompressedImage, Image

from conftest import RigFactory
from harness.pictures import blank, compressed, compressed_image, photograph, raw_image
from harness.rig import ERROR, WARN, Camera, cameras, level, values

# What one of the bombs may make the node allocate.
MEMORY_MIB = 64


@pytest.fixture(scope="module")
def raw(module_rig: RigFactory) -> Camera:
    camera = Camera(module_rig(cameras(["raw", "packed"], packed__transport="compressed")), "raw")
    camera.connect()
    return camera


@pytest.fixture(scope="module")
def packed(raw: Camera) -> Camera:
    camera = Camera(raw.rig, "packed", message_type=CompressedImage)
    camera.connect()
    return camera


def assert_rejected(camera: Camera, bad: Image | CompressedImage, good: Image | CompressedImage, *texts: str) -> None:
    """`bad` is counted as rejected and explained by `texts`; `good` is processed after it."""
    rig = camera.rig
    before = camera.quiet_counters()
    seen = len(rig.diagnostics)
    log = rig.log_messages
    logged = len(log)
    camera.send(bad)
    # The explanation also goes to /rosout, and tells that the frame has not been overwritten by the next one.
    rig.peer.wait_until(
        lambda: any(all(text in entry.msg for text in texts) for entry in log[logged:]), f"a log message with {texts}"
    )
    camera.process(good)
    expected = {
        **before,
        "received": before["received"] + 2,
        "processed": before["processed"] + 1,
        "rejected": before["rejected"] + 1,
    }
    camera.wait_counters(expected)
    reported = [s for a in rig.diagnostics[seen:] for s in a.status if s.name == f"roadproof: input {camera.name}"]
    status = next((s for s in reported if "1 frame(s) rejected" in s.message), None)
    assert status, [(level(s), s.message, values(s)["rejected"], values(s)["received"]) for s in reported]
    assert level(status) in (WARN, ERROR)
    for text in texts:
        assert text in status.message, text
        assert text in values(status)["last_rejection"], text
    assert rig.node.is_alive()


def image(change: Callable[[Image], None]) -> Image:
    message = raw_image(blank())
    change(message)
    return message


def cut(message: Image) -> None:
    del message.data[-1000:]


def too_long(message: Image) -> None:
    message.data.extend(b"\0" * 64)


def wide_step(message: Image) -> None:
    message.step += 8


def huge_step(message: Image) -> None:
    message.step = 2**32 - 1


def narrow_step(message: Image) -> None:
    message.step = 64


def zero_width(message: Image) -> None:
    message.width = message.step = 0
    message.data = array.array("B")


def zero_height(message: Image) -> None:
    message.height = 0
    message.data = array.array("B")


def nothing(message: Image) -> None:
    message.height = message.width = message.step = 0
    message.encoding = ""
    message.data = array.array("B")


def huge_header(message: Image) -> None:
    message.height = message.width = 40_000
    message.step = 120_000
    message.data = array.array("B", b"0123456789")


def largest_header(message: Image) -> None:
    message.height = message.width = message.step = 2**32 - 1
    message.data = array.array("B", b"0123456789")


def unknown_encoding(message: Image) -> None:
    message.encoding = "rgb9000"


def depth(message: Image) -> None:
    message.encoding = "32FC1"


def endless_encoding(message: Image) -> None:
    message.encoding = "x" * 100_000


def odd_yuv(message: Image) -> None:
    message.encoding, message.width, message.step = "yuv422", 63, 126
    message.data = array.array("B", bytes(126 * 48))


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        (cut, ("image data of 8216 bytes", "48 rows x 192 bytes = 9216")),
        (too_long, ("image data of 9280 bytes", "= 9216")),
        (wide_step, ("image data of 9216 bytes", "48 rows x 200 bytes = 9600")),
        (huge_step, ("row step of 4294967295 bytes",)),
        (narrow_step, ("row step of 64 bytes", "at least 192")),
        (zero_width, ("0x48 px has no pixels",)),
        (zero_height, ("64x0 px has no pixels",)),
        (nothing, ('encoding ""',)),
        (huge_header, ("40000x40000 px is over the limit",)),
        (largest_header, ("4294967295x4294967295 px is over the limit",)),
        (unknown_encoding, ('"rgb9000"', "expected one of rgb8, bgr8")),
        (depth, ('"32FC1"',)),
        (endless_encoding, ("xxx…",)),
        (odd_yuv, ("63x48 px", "an even width")),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_malformed_raw_image_is_rejected(raw: Camera, change: Callable[[Image], None], texts: tuple[str]) -> None:
    assert_rejected(raw, image(change), raw_image(blank()), *texts)


def encoded(codec: str) -> bytes:
    return compressed_image(photograph("dog.jpg"), codec).data.tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, pixels: bytes) -> bytes:
    """An RGB PNG whose header says anything and whose data are deflated `pixels`."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(pixels, 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def jpeg_of_size(width: int, height: int) -> bytes:
    """A small JPEG whose frame header says another size."""
    data = bytearray(compressed_image(blank(), "jpeg").data.tobytes())
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def flipped(data: bytes) -> bytes:
    """Bytes in the middle of the data turned around, as a bad cable does."""
    middle = len(data) // 2
    return data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 64]) + data[middle + 64 :]


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        pytest.param(lambda: encoded("jpeg")[:-20_000], ("JPEG data of", "cut off"), id="JPEG without its end"),
        pytest.param(lambda: encoded("jpeg")[:100], ("JPEG data of 100 bytes",), id="JPEG cut in its header"),
        pytest.param(
            lambda: encoded("jpeg")[:-20_000] + b"\xff\xd9", ("JPEG data of", "decoded"), id="JPEG cut and closed"
        ),
        pytest.param(lambda: encoded("png")[:-20_000], ("PNG data of",), id="PNG without its end"),
        pytest.param(lambda: encoded("png")[:20], ("PNG data of 20 bytes",), id="PNG cut in its header"),
        pytest.param(lambda: flipped(encoded("png")), ("PNG data of", "decoded"), id="PNG with flipped bytes"),
        pytest.param(lambda: jpeg_of_size(65_500, 65_500), ("JPEG",), id="JPEG of 65500x65500"),
        pytest.param(lambda: jpeg_of_size(7_000, 7_000), ("JPEG data of", "too few bytes"), id="JPEG of 7000x7000"),
        pytest.param(lambda: png(40_000, 40_000, b""), ("40000x40000 px is over the limit",), id="PNG of 40000x40000"),
        pytest.param(lambda: png(7_000, 7_000, b""), ("PNG data of", "too few bytes"), id="PNG of 7000x7000"),
        pytest.param(lambda: png(2**31 - 1, 1, b""), ("2147483647x1 px is over",), id="PNG of the largest width"),
        pytest.param(lambda: b"", ("isn't supported",), id="no bytes"),
        pytest.param(lambda: b"GIF89a" + bytes(50), ("isn't supported", "JPEG or PNG"), id="GIF"),
    ],
)
def test_a_malformed_compressed_image_is_rejected(
    packed: Camera, data: Callable[[], bytes], texts: tuple[str, ...]
) -> None:
    peak = packed.rig.node.peak_memory_mib()
    assert_rejected(packed, compressed(data(), "jpeg"), compressed_image(blank(), "jpeg"), *texts)
    assert packed.rig.node.peak_memory_mib() - peak < MEMORY_MIB


def test_a_png_that_inflates_without_end_costs_no_memory(packed: Camera) -> None:
    """The header is modest, but the data behind it are 256 MiB of zeros: whether that passes for a black picture
    or for a broken one, only its pixels may be inflated."""
    rig = packed.rig
    before = packed.quiet_counters()
    peak = rig.node.peak_memory_mib()
    packed.send(compressed(png(64, 48, bytes(2**28)), "png"))
    after = rig.wait_count("packed", "received", before["received"] + 1)
    assert rig.node.peak_memory_mib() - peak < MEMORY_MIB
    assert int(after["rejected"]) + int(after["processed"]) == before["rejected"] + before["processed"] + 1
    packed.process(compressed_image(blank(), "png"))


def test_a_compressed_depth_image_is_refused_by_name(packed: Camera) -> None:
    bad = compressed(encoded("png"), "16UC1; compressedDepth png")
    assert_rejected(packed, bad, compressed_image(blank(), "png"), "depth image")


def test_a_camera_with_bad_frames_only_is_an_error(raw: Camera) -> None:
    raw.send(image(depth))
    message = raw.rig.wait_message("input raw", "1 frame(s) rejected", at=ERROR)
    assert "32FC1" in message
    # What computes has nothing to do, and says why.
    assert "32FC1" in raw.rig.status("inference").message


def test_bad_frames_among_good_ones_are_a_warning(raw: Camera) -> None:
    """As long as some frames can be used the camera is not lost."""
    rig = raw.rig

    def both() -> bool:
        raw.send(image(unknown_encoding))
        raw.process(raw_image(blank()))
        newest = rig.status("input raw")
        return newest is not None and level(newest) == WARN and "frame(s) rejected" in newest.message

    rig.peer.wait_until(both, "a warning")
