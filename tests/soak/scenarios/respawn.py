"""The node is killed, and started again."""

from __future__ import annotations

import random
import time

from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.parameter import Parameter, parameter_value_to_python

from harness.peer import NODE

from ..frames import Look
from ..ledger import Terms
from ..processes import orphaned_segments
from ..report import Report
from ..stage import Options, Stage
from ..statistics import percentiles

RATE_HZ = 8.0
CAMERAS = ("front", "left", "right")
RECOVERY_TIMEOUT_S = 30.0
AT_START = {"score_threshold": 0.45, "max_age_ms": 1500}
SET_LIVE = {"max_age_ms": 900}


def call(stage: Stage, kind: type, service: str, request: object) -> object:
    """The answer of one of the node's services. A client of its own each time: one that outlives the node may still
    take the dead one for the service."""
    client = stage.peer.node.create_client(kind, f"{NODE}/{service}")
    try:
        stage.wait_until(client.service_is_ready, f"service {service} is there", 20.0)
        # The request is repeated where it went to the node that is gone.
        for _ in range(5):
            future = client.call_async(request)
            end = time.monotonic() + 3.0
            while not future.done() and time.monotonic() < end:
                stage.spin(0.02)
            if future.done():
                return future.result()
        raise TimeoutError(f"service {service} does not answer")
    finally:
        stage.peer.node.destroy_client(client)


def parameters(stage: Stage, names: list[str]) -> dict[str, object]:
    response = call(stage, GetParameters, "get_parameters", GetParameters.Request(names=names))
    return dict(zip(names, map(parameter_value_to_python, response.values), strict=True))


def node_kill(options: Options, report: Report) -> None:
    """The node is killed with SIGKILL over and over, and started again after 0.1 to 1 s, as a launch file does.

    Every camera must be answered again, with the parameters that the node was started with.
    """
    chance = random.Random(options.seed)
    orphans = orphaned_segments()
    with Stage(options, dict.fromkeys(CAMERAS, Look()), AT_START) as stage:
        stage.begin()
        request = SetParameters.Request(
            parameters=[Parameter(n, value=v).to_parameter_msg() for n, v in SET_LIVE.items()]
        )
        accepted = call(stage, SetParameters, "set_parameters", request).results[0].successful
        report.check("a parameter can be set live", accepted, accepted, "accepted")
        stage.play_all(RATE_HZ)
        end = time.monotonic() + options.seconds
        while not stage.recoveries or time.monotonic() < end:
            stage.play(chance.uniform(0.5, 2.0))
            stage.crash(chance.uniform(0.1, 1.0))
            back = lambda: len(stage.recoveries[-1].first_ns) == len(CAMERAS)  # noqa: E731
            stage.wait_until(back, "detections of all cameras after a respawn", RECOVERY_TIMEOUT_S)
        stage.play(1.0)
        stage.account(report, Terms(delivered=False, one_life=False))
        found = parameters(stage, list(AT_START))
        report.check("parameters of the start are back", found == AT_START, found, str(AT_START))
        slowest = max(int(camera.sent().records["publish_ns"].max()) for camera in stage.cameras.values())
    recoveries = stage.recoveries
    report.figure("kills", len(recoveries))
    from_kill = [(max(r.first_ns.values()) - r.killed_ns) / 1e9 for r in recoveries]
    from_spawn = [(min(r.first_ns.values()) - r.spawned_ns) / 1e9 for r in recoveries]
    report.figure("s_from_start_to_first_detection", percentiles(from_spawn))
    report.figure("s_from_kill_to_all_cameras", percentiles(from_kill))
    report.figure("slowest_publish_of_a_camera_ms", round(slowest / 1e6, 1))
    left = {name: size for name, size in orphaned_segments().items() if name not in orphans}
    report.figure("orphaned_segments", {"files": len(left), "mib": round(sum(left.values()) / 2**20, 2)})
    per_kill = len(left) / len(recoveries)
    # Other processes of the machine may leave some as well.
    expected = "at most 4 files for each kill"
    report.check("little is left in shared memory", per_kill <= 4, round(per_kill, 2), expected, timed=True)
