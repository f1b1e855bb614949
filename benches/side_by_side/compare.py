"""Our node against a plain rclpy + onnxruntime + OpenCV node: same model, same topics, same core, one run.

Each round measures both nodes, in alternating order (A B, B A, …), so that a machine that slows down over time
favours nobody. The node under measurement has one core to itself, the camera and this process have the others.
Two loads: one below what the nodes manage, for latency and the cost of a frame, and one above it, for throughput
and for latency when frames must be dropped.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import tempfile
from pathlib import Path

import numpy as np
import rclpy

from processes import (
    Receiver,
    baseline_command,
    camera,
    cores,
    cpu_seconds,
    prepare_middleware,
    roadproof_command,
    running,
)

NODES = ("roadproof", "baseline")
WARM_UP_S = 2.0
# Detections of one frame may differ by a box at the threshold (another decoder, another rounding), not by more.
DETECTIONS_TOLERANCE = 0.05
FIGURES = {
    "throughput_hz": "frames per second",
    "latency_p50_ms": "latency p50, ms",
    "latency_p99_ms": "latency p99, ms",
    "cpu_per_frame_ms": "CPU per frame, ms",
}


@dataclasses.dataclass
class Measurement:
    """One node under one load in one round. Latency: from the stamp to the receipt of the detections."""

    node: str
    load_hz: float
    round: int
    frames: int
    throughput_hz: float
    latency_p50_ms: float
    latency_p99_ms: float
    cpu_per_frame_ms: float
    detections_per_frame: float


def measure(node: str, load_hz: float, index: int, seconds: float, threads: int, log: Path) -> Measurement:
    """Start the node and the camera, let both get warm, measure, and stop them."""
    node_cores, other_cores = cores()
    command = roadproof_command(threads) if node == "roadproof" else baseline_command(threads)
    topic = "/roadproof/front/detections" if node == "roadproof" else "/baseline/detections"
    receiver = Receiver(topic)
    try:
        with running(command, node_cores, log) as process, camera(load_hz, other_cores, log):
            receiver.wait_for_detections(process, 30.0, log)
            receiver.spin_for(WARM_UP_S)
            receiver.clear()
            before = cpu_seconds(process.pid)
            receiver.spin_for(seconds)
            cpu = cpu_seconds(process.pid) - before
    finally:
        receiver.destroy_node()
    latencies = np.array(receiver.latencies_ms)
    frames = len(latencies)
    if frames == 0:
        raise SystemExit(f"{node} stopped to publish under {load_hz} Hz; see {log}")
    p50, p99 = np.percentile(latencies, [50, 99], method="inverted_cdf")
    return Measurement(
        node=node,
        load_hz=load_hz,
        round=index,
        frames=frames,
        throughput_hz=frames / seconds,
        latency_p50_ms=float(p50),
        latency_p99_ms=float(p99),
        cpu_per_frame_ms=cpu * 1e3 / frames,
        detections_per_frame=receiver.detections / frames,
    )


def ratios(measurements: list[Measurement], load_hz: float, figure: str) -> list[float]:
    """Return roadproof / baseline, one ratio per round."""
    by_round: dict[int, dict[str, float]] = {}
    for measurement in measurements:
        if measurement.load_hz == load_hz:
            by_round.setdefault(measurement.round, {})[measurement.node] = getattr(measurement, figure)
    return [pair["roadproof"] / pair["baseline"] for _, pair in sorted(by_round.items())]


def report(measurements: list[Measurement], loads: list[float]) -> str:
    """Return the table: medians over the rounds, and the ratios with their spread."""
    lines = [f"{'load':>8}  {'':<18}  {'roadproof':>10}  {'baseline':>10}  ratio: median (lowest to highest)"]
    for load in loads:
        for figure, title in FIGURES.items():
            medians = [
                statistics.median(
                    getattr(measurement, figure)
                    for measurement in measurements
                    if measurement.load_hz == load and measurement.node == node
                )
                for node in NODES
            ]
            spread = ratios(measurements, load, figure)
            lines.append(
                f"{load:>5.0f} Hz  {title:<18}  {medians[0]:>10.2f}  {medians[1]:>10.2f}"
                f"  {statistics.median(spread):.2f} ({min(spread):.2f} to {max(spread):.2f})"
            )
    return "\n".join(lines)


def disagreement(measurements: list[Measurement]) -> str | None:
    """Say so if the two nodes do not find the same: then they do not do the same job."""
    # At the low load both see every frame.
    lowest = min(measurement.load_hz for measurement in measurements)
    found = {
        node: statistics.fmean(
            measurement.detections_per_frame
            for measurement in measurements
            if measurement.node == node and measurement.load_hz == lowest
        )
        for node in NODES
    }
    if abs(found["roadproof"] - found["baseline"]) <= DETECTIONS_TOLERANCE * found["baseline"]:
        return None
    return "detections per frame differ: " + ", ".join(f"{node} {count:.2f}" for node, count in found.items())


def cpu_model() -> str:
    """Return the processor's name."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement")
    parser.add_argument("--loads", type=float, nargs="+", default=[10.0, 60.0], metavar="HZ")
    parser.add_argument("--threads", type=int, default=1, help="ONNX Runtime's threads within an operator")
    parser.add_argument("--json", type=Path, help="where to write all measurements")
    arguments = parser.parse_args()
    prepare_middleware()
    load_before = os.getloadavg()[0]
    os.sched_setaffinity(0, cores()[1])
    rclpy.init()
    measurements = []
    with tempfile.TemporaryDirectory(prefix="roadproof-bench-") as folder:
        log = Path(folder) / "nodes.log"
        for index in range(arguments.rounds):
            for load in arguments.loads:
                for node in NODES if index % 2 == 0 else reversed(NODES):
                    measurement = measure(node, load, index, arguments.seconds, arguments.threads, log)
                    measurements.append(measurement)
                    print(
                        f"round {index + 1}  {load:3.0f} Hz  {node:<9}  {measurement.throughput_hz:5.1f} frames/s  "
                        f"p50 {measurement.latency_p50_ms:6.1f} ms  p99 {measurement.latency_p99_ms:6.1f} ms  "
                        f"CPU {measurement.cpu_per_frame_ms:5.1f} ms/frame",
                        flush=True,
                    )
    rclpy.shutdown()
    print()
    print(report(measurements, arguments.loads))
    difference = disagreement(measurements)
    if arguments.json:
        result = {
            "cpu": cpu_model(),
            "load_average_before": load_before,
            "measurements": [dataclasses.asdict(measurement) for measurement in measurements],
            "ratios": {
                f"{load:g} Hz": {figure: ratios(measurements, load, figure) for figure in FIGURES}
                for load in arguments.loads
            },
        }
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if difference:
        raise SystemExit(f"compare: {difference}")


if __name__ == "__main__":
    main()
