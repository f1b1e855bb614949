"""A camera for measurements: publishes real frames as rgb8 at a fixed size and rate until it is stopped.

The frames come from a video, cropped to the aspect ratio and scaled; they are made before the first one is sent,
so that publishing costs as little as it can.
"""

from __future__ import annotations

import argparse
import array
import signal
import time
from pathlib import Path

import cv2
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

FRAMES = 40
EVERY = 15


def load(path: Path, width: int, height: int) -> list[array.array]:
    """Return every 15th frame of the video, as RGB bytes of the size asked for."""
    video = cv2.VideoCapture(str(path))
    frames = []
    while len(frames) < FRAMES:
        for _ in range(EVERY):
            video.grab()
        ok, frame = video.retrieve()
        if not ok:
            break
        rows, columns = frame.shape[:2]
        crop_height = min(rows, round(columns * height / width))
        crop_width = min(columns, round(rows * width / height))
        top, left = (rows - crop_height) // 2, (columns - crop_width) // 2
        crop = frame[top : top + crop_height, left : left + crop_width]
        resized = cv2.resize(crop, (width, height), interpolation=cv2.INTER_CUBIC)
        frames.append(array.array("B", cv2.cvtColor(resized, cv2.COLOR_BGR2RGB).tobytes()))
    if not frames:
        raise SystemExit(f"image_source: cannot read {path}; scripts/demo/fetch_footage.sh fetches it")
    return frames


def main() -> None:
    """Publish until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--topic", default="/image")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--rate", type=float, default=10.0, metavar="HZ")
    arguments = parser.parse_args()
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    node = Node("image_source")
    reliable = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
    publisher = node.create_publisher(Image, arguments.topic, reliable)
    frames = load(arguments.video, arguments.width, arguments.height)
    message = Image(width=arguments.width, height=arguments.height, encoding="rgb8", step=arguments.width * 3)
    message.header.frame_id = "camera"
    due = time.monotonic()
    sent = 0
    while not stopped:
        message.data = frames[sent % len(frames)]
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        sent += 1
        due = max(due + 1 / arguments.rate, time.monotonic() - 0.1)
        time.sleep(max(0.0, due - time.monotonic()))
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
