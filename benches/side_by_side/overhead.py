"""What our node costs beside the network: one core, 1280 × 720 rgb8, below capacity.

Figures are the node's own stage latencies from /diagnostics. Overhead is `total` (arrival to published) less
`inference` (ONNX Runtime's run), medians of each.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import rclpy

from processes import Receiver, camera, cores, prepare_middleware, roadproof_command, running

STAGES = ("wait", "convert", "preprocess", "inference", "postprocess", "publish", "total", "age")
AIM_OVERHEAD_MS = 3.0
AIM_PRE_AND_POST_MS = 2.0


def stage_latencies(receiver: Receiver) -> dict[str, dict[str, float]]:
    """Return p50 and p99 of each stage out of the last diagnostics."""
    statuses = receiver.diagnostics.status if receiver.diagnostics else []
    for status in statuses:
        if status.name == "roadproof: inference":
            figures = {pair.key: pair.value for pair in status.values}
            return {stage: {q: float(figures[f"{stage}_{q}_ms"]) for q in ("p50", "p99")} for stage in STAGES}
    raise SystemExit("overhead: the node published no diagnostics of its inference")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=10.0, metavar="HZ")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    prepare_middleware()
    node_cores, other_cores = cores()
    os.sched_setaffinity(0, other_cores)
    rclpy.init()
    receiver = Receiver("/roadproof/front/detections")
    with tempfile.TemporaryDirectory(prefix="roadproof-bench-") as folder:
        log = Path(folder) / "node.log"
        with running(roadproof_command(1), node_cores, log) as node, camera(arguments.rate, other_cores, log):
            receiver.wait_for_detections(node, 30.0, log)
            receiver.spin_for(arguments.seconds)
            stages = stage_latencies(receiver)
    receiver.destroy_node()
    rclpy.shutdown()

    print("stage            p50 ms   p99 ms")
    for stage, figures in stages.items():
        print(f"{stage:<14}  {figures['p50']:>7.3f}  {figures['p99']:>7.3f}")
    overhead = stages["total"]["p50"] - stages["inference"]["p50"]
    pre_and_post = stages["preprocess"]["p50"] + stages["postprocess"]["p50"]
    print(f"\noverhead (total less inference, p50)  {overhead:.2f} ms, aim {AIM_OVERHEAD_MS:.0f} ms")
    print(f"preprocess and postprocess (p50)      {pre_and_post:.2f} ms, aim {AIM_PRE_AND_POST_MS:.0f} ms")
    if arguments.json:
        result = {"stages_ms": stages, "overhead_p50_ms": overhead, "pre_and_post_p50_ms": pre_and_post}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
