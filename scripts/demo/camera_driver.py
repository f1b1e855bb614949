"""A camera driver for the demo: plays a street video onto two camera topics at its frame rate.

The first camera is the video as it is, as raw images from a reliable publisher. The second one is the same
video mirrored and begun half-way through, as JPEG from a best-effort publisher; its frames lie half a period
beside the first one's. Stamps are the time of publication.
"""

from __future__ import annotations

import argparse
import array
import dataclasses
import json
import signal
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

JPEG_QUALITY = 90
WAIT_FOR_SUBSCRIBERS_S = 30.0


class Footage:
    """A video that starts over at its end."""

    def __init__(self, path: Path, start: float, mirrored: bool) -> None:
        """`start` is the share of the video that is skipped the first time, 0 to 1."""
        self._video = cv2.VideoCapture(str(path))
        self._mirrored = mirrored
        if not self._video.isOpened():
            raise SystemExit(f"camera_driver: cannot open {path}; scripts/demo/fetch_footage.sh fetches it")
        self.rate_hz = float(self._video.get(cv2.CAP_PROP_FPS))
        for _ in range(int(self._video.get(cv2.CAP_PROP_FRAME_COUNT) * start)):
            self._video.grab()

    def next(self) -> np.ndarray:
        """Return the next frame, BGR, shape (height, width, 3)."""
        ok, frame = self._video.read()
        if not ok:
            self._video.set(cv2.CAP_PROP_POS_FRAMES, 0)
            ok, frame = self._video.read()
        if not ok:
            raise SystemExit("camera_driver: the video cannot be read any more")
        return cv2.flip(frame, 1) if self._mirrored else frame


@dataclasses.dataclass
class Camera:
    """One topic and what is played onto it."""

    name: str
    publisher: Publisher
    footage: Footage
    compressed: bool
    due: float
    sent: int = 0

    def publish(self, node: Node) -> None:
        """Publish the next frame, stamped now."""
        frame = self.footage.next()
        if self.compressed:
            ok, jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            if not ok:
                raise SystemExit("camera_driver: OpenCV cannot encode JPEG")
            message = CompressedImage(format="bgr8; jpeg compressed bgr8")
            data = jpeg.tobytes()
        else:
            height, width = frame.shape[:2]
            message = Image(height=height, width=width, encoding="bgr8", step=width * 3)
            data = frame.tobytes()
        # An array is taken over as it is, where bytes would be checked one by one.
        message.data = array.array("B", data)
        message.header.frame_id = f"{self.name}_optical"
        message.header.stamp = node.get_clock().now().to_msg()
        self.publisher.publish(message)
        self.sent += 1


def wait_for_subscribers(cameras: list[Camera], count: int, settle_s: float) -> None:
    """Wait until every topic has `count` subscriptions, and has had them for `settle_s`."""
    give_up = time.monotonic() + WAIT_FOR_SUBSCRIBERS_S
    since = None
    while since is None or time.monotonic() - since < settle_s:
        found = min(camera.publisher.get_subscription_count() for camera in cameras)
        if found < count:
            since = None
        elif since is None:
            since = time.monotonic()
        if time.monotonic() > give_up:
            raise SystemExit(f"camera_driver: expected {count} subscriptions on each topic, found {found}")
        time.sleep(0.05)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--front", default="/front/image_raw", metavar="TOPIC")
    parser.add_argument("--rear", default="/rear/image_raw/compressed", metavar="TOPIC")
    parser.add_argument("--duration", type=float, default=25.0, metavar="S")
    parser.add_argument("--rate", type=float, default=0.0, metavar="HZ", help="0: the video's own")
    parser.add_argument("--subscribers", type=int, default=0, help="wait for so many on each topic")
    parser.add_argument("--summary", type=Path, help="JSON file for how many frames were sent")
    return parser.parse_args()


def main() -> None:
    """Play until the time is over."""
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    node = Node("camera_driver")
    reliable = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
    cameras = [
        Camera(
            "front",
            node.create_publisher(Image, arguments.front, reliable),
            Footage(arguments.video, start=0.0, mirrored=False),
            compressed=False,
            due=0.0,
        ),
        Camera(
            "rear",
            node.create_publisher(CompressedImage, arguments.rear, qos_profile_sensor_data),
            Footage(arguments.video, start=0.5, mirrored=True),
            compressed=True,
            due=0.5,
        ),
    ]
    # A subscription is remade when the node sees what the publisher offers; let that pass.
    wait_for_subscribers(cameras, arguments.subscribers, settle_s=1.5)

    period = 1.0 / (arguments.rate or cameras[0].footage.rate_hz)
    frames = round(arguments.duration / period)
    start = time.monotonic()
    for camera in cameras:
        camera.due = start + camera.due * period
    while any(camera.sent < frames for camera in cameras):
        camera = min(cameras, key=lambda camera: camera.due)
        time.sleep(max(0.0, camera.due - time.monotonic()))
        camera.publish(node)
        camera.due += period
    # Let the last frames out before the publishers go.
    time.sleep(0.5)
    if arguments.summary:
        sent = {camera.name: camera.sent for camera in cameras}
        arguments.summary.write_text(json.dumps({"sent": sent, "rate_hz": 1.0 / period}) + "\n", encoding="utf-8")
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
