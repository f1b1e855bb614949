#!/usr/bin/env python3
"""Record what the simulator and the node publish: one bag for each weather, and what the node said, as JSON.

Ends when the bridge has gone and everything has been answered.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import rclpy
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from roadproof.msg import CameraHealth
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from roadproof_sim.weather import START_NS, Schedule, parse_schedule

ROOT = Path(__file__).parents[2]
IMAGE, TRUTH = "/sim/camera/front/image_raw", "/sim/camera/front/ground_truth"
TYPES = {IMAGE: "sensor_msgs/msg/Image", TRUTH: "vision_msgs/msg/Detection2DArray"}
# How long nothing may come before the recording ends, once the bridge has gone.
QUIET_S = 2.0


def typestore() -> object:
    """The store of ROS 2 Jazzy's types, and vision_msgs."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted((ROOT / "interfaces" / "vision_msgs" / "msg").glob("*.msg")):
        store.register(get_types_from_msg(file.read_text(encoding="utf-8"), f"vision_msgs/msg/{file.stem}"))
    return store


def stamp_ns(message: Image | Detection2DArray | CameraHealth) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def plain_boxes(message: Detection2DArray) -> list[dict]:
    """Class, score and corners of each detection."""
    found = []
    for detection in message.detections:
        best, box = detection.results[0].hypothesis, detection.bbox
        x, y, w, h = box.center.position.x, box.center.position.y, box.size_x / 2, box.size_y / 2
        found.append({"class": best.class_id, "score": best.score, "box": [x - w, y - h, x + w, y + h]})
    return found


class Recorder(Node):
    """Keeps images and ground truth by weather, detections by stamp, and every report of health."""

    def __init__(self, folder: Path, schedule: Schedule) -> None:
        super().__init__("demo_sim_recorder")
        self._folder = folder
        self._store = typestore()
        self._writers: dict[str, tuple[Writer, dict[str, object]]] = {}
        self._schedule = schedule
        self.frames: dict[int, dict] = {}
        self.health: list[dict] = []
        self.last = time.monotonic()
        self.create_subscription(Detection2DArray, TRUTH, self._truth, 100, raw=True)
        self.create_subscription(Image, IMAGE, self._image, 100, raw=True)
        self.create_subscription(Detection2DArray, "/roadproof/front/detections", self._detections, 100)
        self.create_subscription(CameraHealth, "/roadproof/front/health", self._health, 100)

    @property
    def bridge_is_there(self) -> bool:
        return self.count_publishers(IMAGE) > 0

    def close(self) -> None:
        for writer, _ in self._writers.values():
            writer.close()

    def _weather(self, stamp: int) -> str:
        """By the stamp, because topics come in no order among each other."""
        return self._schedule.at((stamp - START_NS) / 1e9)

    def _write(self, topic: str, stamp: int, data: bytes) -> None:
        weather = self._weather(stamp)
        if weather not in self._writers:
            writer = Writer(self._folder / weather, version=9, storage_plugin=StoragePlugin.MCAP)
            writer.open()
            connections = {
                name: writer.add_connection(name, kind, typestore=self._store) for name, kind in TYPES.items()
            }
            self._writers[weather] = writer, connections
        writer, connections = self._writers[weather]
        writer.write(connections[topic], stamp, data)

    def _frame(self, stamp: int) -> dict:
        return self.frames.setdefault(stamp, {"weather": self._weather(stamp)})

    def _truth(self, data: bytes) -> None:
        self.last = time.monotonic()
        message = deserialize_message(data, Detection2DArray)
        self._frame(stamp_ns(message))["truth"] = plain_boxes(message)
        self._write(TRUTH, stamp_ns(message), data)

    def _image(self, data: bytes) -> None:
        self.last = time.monotonic()
        self._write(IMAGE, stamp_ns(deserialize_message(data, Image)), data)

    def _detections(self, message: Detection2DArray) -> None:
        self._frame(stamp_ns(message))["detections"] = plain_boxes(message)

    def _health(self, message: CameraHealth) -> None:
        classes = {
            one.class_name: {"status": one.status, "reason": one.reason, "estimated_ap": one.estimated_ap}
            for one in message.classes
        }
        self.health.append(
            {
                "weather": self._weather(stamp_ns(message)),
                "stamp_ns": stamp_ns(message),
                "status": message.status,
                "reason": message.reason,
                "estimated_map": message.estimated_map,
                "estimated_corruption": message.estimated_corruption,
                "frames_processed": message.frames_processed,
                "frames_received": message.frames_received,
                "classes": classes,
            }
        )


def main() -> int:
    """Record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder for the bags and record.json")
    parser.add_argument("schedule", nargs="+", help="the bridge's, as weather:seconds")
    parser.add_argument("--timeout", type=float, default=600.0, metavar="S")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    rclpy.init()
    recorder = Recorder(arguments.output, parse_schedule(arguments.schedule))
    begin, seen = time.monotonic(), False
    while time.monotonic() - begin < arguments.timeout:
        rclpy.spin_once(recorder, timeout_sec=0.1)
        seen = seen or bool(recorder.frames)
        if seen and not recorder.bridge_is_there and time.monotonic() - recorder.last > QUIET_S:
            break
    else:
        print(f"recorder: not over after {arguments.timeout:.0f} s", file=sys.stderr)
    recorder.close()
    record = {"frames": [{"stamp_ns": s, **f} for s, f in sorted(recorder.frames.items())], "health": recorder.health}
    (arguments.output / "record.json").write_text(json.dumps(record), encoding="utf-8")
    rclpy.try_shutdown()
    return 0 if seen and recorder.health else 1


if __name__ == "__main__":
    sys.exit(main())
