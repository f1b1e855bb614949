"""Pictures, and every way in which a camera may send them.

The encoders are written from the definitions (sensor_msgs/image_encodings, ITU-R BT.601) and not with the
functions that the node decodes with, so that a mix-up on the node's side cannot cancel out.
"""

from __future__ import annotations

import array
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

from .process import ROOT

FRAME_ID = "camera_optical_frame"


def photograph(name: str) -> np.ndarray:
    """A real photograph of the set-up as RGB; skips the test where it has not been fetched."""
    deps = Path(os.environ.get("ROADPROOF_DEPS", ROOT / ".deps"))
    path = deps / "footage" / name
    if not path.is_file():
        pytest.skip(f"{path} is missing: scripts/demo/fetch_footage.sh fetches it")
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert bgr is not None, path
    return np.ascontiguousarray(bgr[:, :, ::-1])


def blank(width: int = 64, height: int = 48, level: int = 60) -> np.ndarray:
    """A picture with nothing in it."""
    return np.full((height, width, 3), level, np.uint8)


def grey(rgb: np.ndarray) -> np.ndarray:
    """Luma (h, w)."""
    return np.rint(rgb @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def patches(size: int = 64) -> tuple[np.ndarray, dict[str, tuple[int, int]]]:
    """Red, green, blue and orange squares, and each one's centre (x, y)."""
    colours = {"red": (200, 30, 30), "green": (30, 180, 30), "blue": (30, 30, 200), "orange": (220, 130, 20)}
    rgb = np.empty((2 * size, 2 * size, 3), np.uint8)
    centres = {}
    for index, (name, colour) in enumerate(colours.items()):
        x, y = index % 2 * size, index // 2 * size
        rgb[y : y + size, x : x + size] = colour
        centres[name] = (x + size // 2, y + size // 2)
    return rgb, centres


def _bayer(pattern: str) -> Callable[[np.ndarray], np.ndarray]:
    """One channel per pixel, by the colours of the top left 2 x 2 in reading order."""

    def encode(rgb: np.ndarray) -> np.ndarray:
        mosaic = np.empty(rgb.shape[:2], np.uint8)
        for index, colour in enumerate(pattern):
            y, x = divmod(index, 2)
            mosaic[y::2, x::2] = rgb[y::2, x::2, "rgb".index(colour)]
        return mosaic

    return encode


def _yuv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Y, U, V of ITU-R BT.601 in its limited range (Y 16..235, U and V 16..240)."""
    red, green, blue = (rgb[:, :, i].astype(np.float64) for i in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    y = 16 + luma * 219 / 255
    u = 128 + (blue - luma) / 1.772 * 224 / 255
    v = 128 + (red - luma) / 1.402 * 224 / 255
    return y, u, v


def _byte(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _packed(order: str) -> Callable[[np.ndarray], np.ndarray]:
    """4:2:2: two pixels share U and V; `order` names the four bytes of such a pair."""

    def encode(rgb: np.ndarray) -> np.ndarray:
        y, u, v = _yuv(rgb)
        halves = [(p[:, 0::2] + p[:, 1::2]) / 2 for p in (u, v)]
        planes = {"0": y[:, 0::2], "1": y[:, 1::2], "u": halves[0], "v": halves[1]}
        return _byte(np.stack([planes[name] for name in order], axis=2)).reshape(len(rgb), -1)

    return encode


def _nv12(rgb: np.ndarray) -> np.ndarray:
    """4:2:0: a plane of Y, below it one of U V pairs at half the resolution."""
    y, u, v = _yuv(rgb)
    quarter = [(p[0::2, 0::2] + p[1::2, 0::2] + p[0::2, 1::2] + p[1::2, 1::2]) / 4 for p in (u, v)]
    pairs = np.stack(quarter, axis=2).reshape(len(rgb) // 2, -1)
    return _byte(np.concatenate([y, pairs]))


def _mono16(byte_order: str) -> Callable[[np.ndarray], np.ndarray]:
    # 257 spreads 0..255 over 0..65535 exactly.
    return lambda rgb: (grey(rgb).astype(np.uint16) * 257).astype(f"{byte_order}u2").view(np.uint8)


def _alpha(rgb: np.ndarray) -> np.ndarray:
    return np.full((*rgb.shape[:2], 1), 77, np.uint8)


# By a name of ours: the message's encoding, is_bigendian, and the rows of bytes.
ENCODERS: dict[str, tuple[str, bool, Callable[[np.ndarray], np.ndarray]]] = {
    "rgb8": ("rgb8", False, lambda rgb: rgb),
    "bgr8": ("bgr8", False, lambda rgb: rgb[:, :, ::-1]),
    "rgba8": ("rgba8", False, lambda rgb: np.concatenate([rgb, _alpha(rgb)], axis=2)),
    "bgra8": ("bgra8", False, lambda rgb: np.concatenate([rgb[:, :, ::-1], _alpha(rgb)], axis=2)),
    "mono8": ("mono8", False, grey),
    "mono16 little-endian": ("mono16", False, _mono16("<")),
    "mono16 big-endian": ("mono16", True, _mono16(">")),
    "bayer_rggb8": ("bayer_rggb8", False, _bayer("rggb")),
    "bayer_bggr8": ("bayer_bggr8", False, _bayer("bggr")),
    "bayer_gbrg8": ("bayer_gbrg8", False, _bayer("gbrg")),
    "bayer_grbg8": ("bayer_grbg8", False, _bayer("grbg")),
    "yuv422": ("yuv422", False, _packed("u0v1")),
    "uyvy": ("uyvy", False, _packed("u0v1")),
    "yuv422_yuy2": ("yuv422_yuy2", False, _packed("0u1v")),
    "yuyv": ("yuyv", False, _packed("0u1v")),
    "nv12": ("nv12", False, _nv12),
}


def raw_image(rgb: np.ndarray, encoding: str = "rgb8", padding: int = 0, frame_id: str = FRAME_ID) -> Image:
    """A `sensor_msgs/Image` of an RGB picture; every row is followed by `padding` bytes of rubbish."""
    name, is_bigendian, encode = ENCODERS[encoding]
    rows = np.ascontiguousarray(encode(rgb))
    rows = rows.reshape(len(rows), -1)
    if padding:
        rubbish = np.random.default_rng(1).integers(0, 256, (len(rows), padding), np.uint8)
        rows = np.concatenate([rows, rubbish], axis=1)
    message = Image(height=rgb.shape[0], width=rgb.shape[1], encoding=name, step=rows.shape[1])
    message.is_bigendian = int(is_bigendian)
    message.header.frame_id = frame_id
    # An array.array is taken over as it is; bytes would be checked one by one.
    message.data = array.array("B", rows.tobytes())
    return message


def compressed_image(rgb: np.ndarray, codec: str, frame_id: str = FRAME_ID) -> CompressedImage:
    """A `sensor_msgs/CompressedImage`, with `format` as image_transport writes it."""
    suffix, options = {"jpeg": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95]), "png": (".png", [])}[codec]
    done, data = cv2.imencode(suffix, np.ascontiguousarray(rgb[:, :, ::-1]), options)
    assert done
    return compressed(data.tobytes(), f"rgb8; {codec} compressed bgr8", frame_id)


def compressed(data: bytes, picture_format: str, frame_id: str = FRAME_ID) -> CompressedImage:
    """A `sensor_msgs/CompressedImage` of any bytes."""
    message = CompressedImage(format=picture_format)
    message.header.frame_id = frame_id
    message.data = array.array("B", data)
    return message
