"""Watches the node in the demo from outside, and shows at the end what it did.

Subscribes to the cameras' images, the detections, the health and the diagnostics; draws the detections into the
frames they belong to (by stamp); ends when the camera driver has gone and every frame is accounted for. Exit
status 1: something was not as it must be.
"""

from __future__ import annotations

import argparse
import json
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from roadproof.msg import CameraHealth
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray

from drawing import Box, CameraRecorder, contact_sheet
from report import Seen, problems, render, statuses, summarise, values

TILES_PER_CAMERA = 3


class Collector(Node):
    """Keeps what arrives; drawing happens in a thread of its own, so that it delays no receipt."""

    def __init__(self, cameras: dict[str, dict[str, str]], output: Path, rate_hz: float, frames: int) -> None:
        """`cameras`: topic and transport by name; `frames`: how many to expect of each."""
        super().__init__("demo_collector")
        self.cameras = cameras
        self.diagnostics: DiagnosticArray | None = None
        self.health: dict[str, CameraHealth] = {}
        self.frames = dict.fromkeys(cameras, 0)
        self.detections = dict.fromkeys(cameras, 0)
        self.latencies_ms: dict[str, list[float]] = {name: [] for name in cameras}
        self.recorders = {
            name: CameraRecorder(name, output / f"{name}.mp4", rate_hz, TILES_PER_CAMERA, frames) for name in cameras
        }
        self.events: queue.Queue[tuple[str, int, Any] | None] = queue.Queue()
        self.drawing = threading.Thread(target=self._draw, name="drawing", daemon=True)
        self.drawing.start()

        for name, camera in cameras.items():
            raw = camera["transport"] == "raw"
            reliability = ReliabilityPolicy.RELIABLE if raw else ReliabilityPolicy.BEST_EFFORT
            self.create_subscription(
                Image if raw else CompressedImage,
                camera["topic"],
                lambda message, name=name: self._on_frame(name, message),
                QoSProfile(depth=10, reliability=reliability),
            )
            self.create_subscription(
                Detection2DArray,
                f"/roadproof/{name}/detections",
                lambda message, name=name: self._on_detections(name, message),
                QoSProfile(depth=50),
            )
            self.create_subscription(
                CameraHealth,
                f"/roadproof/{name}/health",
                lambda message, name=name: self.health.__setitem__(name, message),
                10,
            )
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_frame(self, name: str, message: Image | CompressedImage) -> None:
        self.frames[name] += 1
        self.events.put((name, Time.from_msg(message.header.stamp).nanoseconds, message))

    def _on_detections(self, name: str, message: Detection2DArray) -> None:
        now = time.time_ns()
        stamp = Time.from_msg(message.header.stamp).nanoseconds
        self.latencies_ms[name].append((now - stamp) / 1e6)
        self.detections[name] += len(message.detections)
        self.events.put((name, stamp, message))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        if "lifecycle" in statuses(message):
            self.diagnostics = message

    def _draw(self) -> None:
        while (event := self.events.get()) is not None:
            name, stamp, message = event
            if isinstance(message, Detection2DArray):
                self.recorders[name].detections(stamp, boxes(message))
            else:
                self.recorders[name].frame(stamp, pixels(message))

    def finish_drawing(self) -> None:
        """Wait for the drawing thread, and close the videos."""
        self.events.put(None)
        self.drawing.join()
        for recorder in self.recorders.values():
            recorder.close()

    def publishers(self) -> list[int]:
        """Return how many publishers each camera topic has."""
        return [self.count_publishers(camera["topic"]) for camera in self.cameras.values()]

    def node_error(self) -> str | None:
        """Return why the node is not at work, if it says so."""
        if self.diagnostics is None:
            return None
        lifecycle = statuses(self.diagnostics)["lifecycle"]
        return lifecycle.message if lifecycle.level == DiagnosticStatus.ERROR else None

    def settled(self) -> bool:
        """Whether the last report covers all frames: none is pending, and all their arrays are here."""
        if self.diagnostics is None or set(self.health) != set(self.cameras):
            return False
        by_subject = statuses(self.diagnostics)
        for name in self.cameras:
            status = by_subject.get(f"input {name}")
            if status is None:
                return False
            reported = values(status)
            arrived = len(self.latencies_ms[name])
            if int(reported["pending"]) or int(reported["processed"]) != arrived:
                return False
            if self.health[name].frames_processed != arrived:
                return False
        return True

    def seen(self, sent: dict[str, int]) -> dict[str, Seen]:
        """Return the collector's own figures by camera."""
        return {
            name: Seen(
                sent.get(name),
                self.frames[name],
                len(self.latencies_ms[name]),
                self.detections[name],
                percentile(self.latencies_ms[name], 50),
                percentile(self.latencies_ms[name], 99),
            )
            for name in self.cameras
        }


def percentile(samples: list[float], q: float) -> float | None:
    """Return a percentile (nearest rank); None without samples."""
    if not samples:
        return None
    return round(float(np.percentile(samples, q, method="inverted_cdf")), 3)


def boxes(message: Detection2DArray) -> list[Box]:
    """Return the detections as corners."""
    found = []
    for detection in message.detections:
        centre, box = detection.bbox.center.position, detection.bbox
        half_width, half_height = box.size_x / 2, box.size_y / 2
        best = detection.results[0].hypothesis
        corners = (centre.x - half_width, centre.y - half_height, centre.x + half_width, centre.y + half_height)
        found.append(Box(best.class_id, best.score, *corners))
    return found


def pixels(message: Image | CompressedImage) -> np.ndarray:
    """Return the picture, BGR."""
    data = np.frombuffer(message.data, np.uint8)
    if isinstance(message, CompressedImage):
        return cv2.imdecode(data, cv2.IMREAD_COLOR)
    return data.reshape(message.height, message.step)[:, : message.width * 3].reshape(message.height, message.width, 3)


def watch(node: Collector, timeout_s: float) -> str | None:
    """Spin until all is over; returns what went wrong, if anything did."""
    begin = time.monotonic()
    playing = False
    ended_at: float | None = None
    shown = 0.0
    while True:
        rclpy.spin_once(node, timeout_sec=0.1)
        now = time.monotonic()
        if (error := node.node_error()) is not None:
            return f"the node reports: {error}"
        if now - begin > timeout_s:
            return f"the demo was not over after {timeout_s:.0f} s"
        if sys.stdout.isatty() and now - shown > 0.2:
            shown = now
            counts = "   ".join(
                f"{name}: {len(node.latencies_ms[name])} frames, {node.detections[name]} detections"
                for name in node.cameras
            )
            print(f"\r\033[K{counts}", end="", flush=True)
        if ended_at is None:
            publishers = node.publishers()
            playing = playing or all(publishers)
            if playing and not any(publishers):
                ended_at = now
        # Two more reports: the first one may have been on its way already.
        elif (now - ended_at > 1.5 and node.settled()) or now - ended_at > 3.5:
            return None


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, required=True, help="the node's parameter file")
    parser.add_argument("--output", type=Path, required=True, help="folder for what is drawn and found")
    parser.add_argument("--driver-summary", type=Path, required=True, help="what the camera driver wrote")
    parser.add_argument("--rate", type=float, default=10.0, metavar="HZ", help="frame rate of the footage")
    parser.add_argument("--duration", type=float, default=25.0, metavar="S")
    parser.add_argument("--timeout", type=float, default=55.0, metavar="S")
    return parser.parse_args()


def main() -> int:
    """Collect, draw, report."""
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parameters = yaml.safe_load(arguments.params.read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    cameras = {name: parameters[name] for name in parameters["cameras"]}
    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    node = Collector(cameras, arguments.output, arguments.rate, int(arguments.duration * arguments.rate))
    failure = watch(node, arguments.timeout)
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    node.finish_drawing()
    if failure is None and not node.settled():
        failure = "the node's reports do not cover all frames that were seen"
    if failure is not None:
        print(f"collector: {failure}", file=sys.stderr)
    if node.diagnostics is None or set(node.health) != set(cameras):
        print("collector: no diagnostics or health came from the node", file=sys.stderr)
        return 1

    try:
        sent = json.loads(arguments.driver_summary.read_text(encoding="utf-8"))["sent"]
    except OSError:
        sent = {}
    transports = {name: camera["transport"] for name, camera in cameras.items()}
    summary = summarise(node.diagnostics, node.health, node.seen(sent), transports)
    found = problems(summary)
    summary["problems"] = found + ([failure] if failure else [])
    (arguments.output / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    write_sheet(node, summary, arguments.output / "contact_sheet.png")

    model = summary["model"]
    print(f"{model['name']} on {summary['provider']}, ONNX Runtime {model['onnxruntime']}\n")
    print(render(summary))
    for problem in found:
        print(f"collector: {problem}", file=sys.stderr)
    node.destroy_node()
    rclpy.shutdown()
    return 1 if summary["problems"] else 0


def write_sheet(node: Collector, summary: dict[str, Any], path: Path) -> None:
    """Write the contact sheet, unless there is nothing to show."""
    rows = [recorder.tiles for recorder in node.recorders.values() if recorder.tiles]
    if not rows:
        return
    inference = summary["latency_ms"]["inference"]
    age = summary["latency_ms"]["age"]
    processed = sum(camera["frames"]["processed"] for camera in summary["cameras"].values())
    subtitle = (
        f"{summary['model']['name']} on {summary['provider']}: {processed} frames of {len(node.cameras)} cameras, "
        f"inference {inference['p50']:.0f} ms (p50), stamp to published {age['p50']:.0f} ms (p50), "
        f"{age['p99']:.0f} ms (p99). Frames evenly spaced, boxes as published."
    )
    cv2.imwrite(str(path), contact_sheet(rows, "Roadproof", subtitle), [cv2.IMWRITE_PNG_COMPRESSION, 6])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, ExternalShutdownException):
        sys.exit(130)
