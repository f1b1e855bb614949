"""Processes on fixed cores, what they cost, and what they publish."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.time import Time
from vision_msgs.msg import Detection2DArray

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
MODEL = ROOT / "models/nanodet-g.toml"
VIDEO = ROOT / ".deps/footage/vtest.avi"
TOPIC = "/image"


def roadproof_binary() -> Path:
    """Return the release binary."""
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    binary = Path(os.environ.get("ROADPROOF_BIN", target / "release/roadproof"))
    if not binary.exists():
        raise SystemExit(f"no {binary}; build it with `cargo build --release --locked`")
    return binary


def roadproof_command(threads: int) -> list[str]:
    """Return the command line of our node, on the measurements' topic."""
    parameters = {
        "model": str(MODEL),
        "cameras": "[front]",
        "front.topic": TOPIC,
        # As the baseline subscribes.
        "front.reliability": "best_effort",
        "intra_op_threads": threads,
    }
    assignments = [argument for key, value in parameters.items() for argument in ("-p", f"{key}:={value}")]
    return [str(roadproof_binary()), "node", "--ros-args", *assignments]


def baseline_command(threads: int) -> list[str]:
    """Return the command line of the node that ours is compared with."""
    command = [sys.executable, str(HERE / "baseline_node.py")]
    return [*command, "--model", str(MODEL), "--topic", TOPIC, "--threads", str(threads)]


@functools.cache
def cores() -> tuple[frozenset[int], frozenset[int]]:
    """Return the core of the node that is measured, and those of everything else.

    Call it before this process restricts itself.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise SystemExit("two cores are needed: one for the node, one for the camera and the measurement")
    return frozenset(allowed[:1]), frozenset(allowed[1:])


def prepare_middleware() -> None:
    """Keep this process and its children off everybody else's topics, and give images room in shared memory."""
    free = subprocess.run(
        [sys.executable, ROOT / "scripts/free_domain.py"], check=True, stdout=subprocess.PIPE, text=True
    )
    os.environ["ROS_DOMAIN_ID"] = free.stdout.strip()
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(ROOT / "config/fastdds.xml"))


@contextlib.contextmanager
def running(command: list[str], on_cores: frozenset[int], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process on some cores; stop it at the end."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    # Before it has threads, which inherit this.
    os.sched_setaffinity(process.pid, on_cores)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def camera(rate_hz: float, on_cores: frozenset[int], log: Path) -> Iterator[None]:
    """Publish 1280 × 720 rgb8 frames."""
    command = [sys.executable, str(HERE / "image_source.py"), str(VIDEO), "--topic", TOPIC, "--rate", str(rate_hz)]
    with running(command, on_cores, log):
        yield


def cpu_seconds(pid: int) -> float:
    """Return the processor time, user and system, that a process has used (proc(5), stat)."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    # The command name may hold anything, but ends at the last parenthesis; utime and stime are fields 14 and 15.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Receiver(Node):
    """Receives the detections of the node under measurement, and the diagnostics."""

    def __init__(self, detections: str) -> None:
        """Subscribe to one topic of detections."""
        super().__init__("bench_receiver")
        self.latencies_ms: list[float] = []
        self.detections = 0
        self.diagnostics: DiagnosticArray | None = None
        self.create_subscription(Detection2DArray, detections, self._on_detections, QoSProfile(depth=100))
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_detections(self, message: Detection2DArray) -> None:
        stamp = Time.from_msg(message.header.stamp).nanoseconds
        self.latencies_ms.append((time.time_ns() - stamp) / 1e6)
        self.detections += len(message.detections)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics = message

    def clear(self) -> None:
        """Forget what arrived so far."""
        self.latencies_ms.clear()
        self.detections = 0
        self.diagnostics = None

    def spin_for(self, seconds: float) -> None:
        """Receive for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            rclpy.spin_once(self, timeout_sec=left)

    def wait_for_detections(self, process: subprocess.Popen[bytes], timeout_s: float, log: Path) -> None:
        """Wait until frames get through."""
        end = time.monotonic() + timeout_s
        while not self.latencies_ms:
            if process.poll() is not None or time.monotonic() > end:
                tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
                raise SystemExit(f"no detections came within {timeout_s:.0f} s; the end of {log}:\n{tail}")
            rclpy.spin_once(self, timeout_sec=0.1)
