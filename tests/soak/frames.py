"""The frames that cameras send, made once: a load generator should not need the cores that it means to load."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image

from harness.pictures import compressed, compressed_image, raw_image

from .sent_log import GOOD, MALFORMED, UNDECODABLE

ROOT = Path(__file__).parents[2]

# Behind the four bytes that say how a message is encoded comes the header's stamp: int32 seconds, uint32 nanoseconds.
STAMP_OFFSET = 4


@dataclass(frozen=True)
class Look:
    """How a camera's frames look and with which quality of service they are offered."""

    transport: str = "compressed"
    width: int = 640
    height: int = 480
    # Of raw frames, a key of harness.pictures.ENCODERS; of compressed ones jpeg or png.
    encoding: str = "jpeg"
    reliable: bool = True
    depth: int = 10
    latched: bool = False
    # GOOD, or what is wrong with every frame.
    kind: int = GOOD

    def but(self, **changes: Any) -> Look:
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Look:
        return cls(**values)

    @property
    def message_type(self) -> type:
        return Image if self.transport == "raw" else CompressedImage


def scene(width: int, height: int, seed: int) -> np.ndarray:
    """A picture, RGB: a photograph with things to detect where set-up has fetched it, else coloured blocks."""
    path = Path(os.environ.get("ROADPROOF_DEPS", ROOT / ".deps")) / "footage" / "dog.jpg"
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if path.is_file() else None
    if bgr is None:
        bgr = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    resized = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(resized[:, :, ::-1])


def serialised(look: Look, seed: int) -> bytearray:
    """A frame as it goes over the wire, with room for a stamp (`stamp_into`)."""
    picture = scene(look.width, look.height, seed)
    if look.transport == "raw":
        message = raw_image(picture, look.encoding)
        if look.kind == MALFORMED:
            # Rows longer than the data allow.
            message.step += 7
        elif look.kind == UNDECODABLE:
            raise ValueError("a raw frame has nothing to decode; expected the kind GOOD or MALFORMED")
    elif look.kind == GOOD:
        message = compressed_image(picture, look.encoding)
    else:
        message = compressed(b"\xff\xd8\xff this is no picture" * 50, "jpeg")
    return bytearray(serialize_message(message))


def stamp_into(frame: bytearray, stamp_ns: int) -> bytes:
    """The frame under this stamp, ready to be published."""
    struct.pack_into("<iI", frame, STAMP_OFFSET, stamp_ns // 10**9, stamp_ns % 10**9)
    return bytes(frame)


def stamp_of(message: bytes) -> int:
    """The stamp in the header of a serialised message, nanoseconds."""
    if len(message) < STAMP_OFFSET + 8:
        raise ValueError(f"expected a serialised message with a header, found {len(message)} bytes")
    # The second byte tells the order of bytes: odd is little-endian (DDSI-RTPS 2.5, section 10.2).
    order = "<" if message[1] & 1 else ">"
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", message, STAMP_OFFSET)
    return seconds * 10**9 + nanoseconds
