#!/usr/bin/env python3
"""Records tests/data/cdr/*.cdr: messages as ROS 2 itself serialises them, for src/data/bag/cdr/tests.rs.

Run in the environment of scripts/env.sh. The values follow a rule, so that the test can make them again:
texts are the field's name, numbers count up from 1.
"""

from pathlib import Path

from rclpy.serialization import serialize_message
from roadproof.msg import CameraHealth, ClassHealth
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

TARGET = Path(__file__).parents[1] / "data" / "cdr"


def fill(message: object, count: int = 0) -> int:
    """Fills a message's own fields in order; returns the last number used."""
    for name, kind in message.get_fields_and_field_types().items():
        if kind == "string":
            setattr(message, name, name)
        elif kind == "boolean":
            setattr(message, name, True)
        elif kind in ("uint8", "uint32", "uint64"):
            count += 1
            setattr(message, name, count)
        elif kind == "float":
            count += 1
            setattr(message, name, count + 0.5)
        elif kind == "uint32[20]":
            setattr(message, name, list(range(20)))
    return count


def stamp(message: object) -> None:
    message.header.stamp.sec = 1_700_000_000
    message.header.stamp.nanosec = 123_456_789
    message.header.frame_id = "camera"


def main() -> None:
    health = CameraHealth()
    stamp(health)
    fill(health)
    for offset in (100, 101):
        entry = ClassHealth()
        fill(entry, offset)
        health.classes.append(entry)

    array = Detection2DArray()
    stamp(array)
    for number in range(2):
        entry = Detection2D(id=f"track {number}")
        stamp(entry)
        for class_id, score in (("person", 0.75), ("bus", 0.25 + number))[: number + 1]:
            result = ObjectHypothesisWithPose()
            result.hypothesis.class_id = class_id
            result.hypothesis.score = score
            entry.results.append(result)
        entry.bbox.center.position.x = 10.5 + number
        entry.bbox.center.position.y = 20.5
        entry.bbox.center.theta = 0.125
        entry.bbox.size_x = 30.0
        entry.bbox.size_y = 40.0
        array.detections.append(entry)

    image = Image(height=2, width=3, encoding="rgb8", is_bigendian=0, step=9, data=list(range(18)))
    stamp(image)
    compressed = CompressedImage(format="rgb8; jpeg compressed bgr8", data=[0xFF, 0xD8, 0xFF, 0xD9])
    stamp(compressed)

    TARGET.mkdir(exist_ok=True)
    for name, message in (
        ("camera_health", health),
        ("detections", array),
        ("image", image),
        ("compressed_image", compressed),
    ):
        (TARGET / f"{name}.cdr").write_bytes(serialize_message(message))


if __name__ == "__main__":
    main()
