"""A subscriber that hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from ..frames import Look
from ..ledger import Terms
from ..processes import ROOT, child_environment
from ..report import Report
from ..stage import Options, Stage
from ..statistics import percentiles

RATE_HZ = 8.0
CAMERAS = ("front", "rear")


def start_sink(stage: Stage) -> subprocess.Popen[bytes]:
    command = [*stage.load_prefix, sys.executable, "-m", "tests.soak.sink", "--domain", str(stage.domain.number)]
    with (stage.options.folder / "sink.log").open("w") as log:
        return subprocess.Popen(
            [*command, *stage.cameras], cwd=ROOT, env=child_environment(stage.domain.number), stdout=log, stderr=log
        )


def stalled_subscriber(options: Options, report: Report) -> None:
    """A reliable subscriber of detections and debug images is stopped (SIGSTOP) for a third of the time, and goes on.

    The node and its other subscribers must not notice.
    """
    with Stage(options, dict.fromkeys(CAMERAS, Look()), {"debug_image.max_rate_hz": 20.0}) as stage:
        sink = start_sink(stage)
        try:
            stage.begin()
            drawn = lambda: "debug/image" in (options.folder / "sink.log").read_text()  # noqa: E731
            stage.play_all(RATE_HZ)
            stage.wait_until(drawn, "the subscriber gets debug images", 20.0)
            cuts = [time.monotonic_ns()]
            for number in (None, signal.SIGSTOP, signal.SIGCONT):
                if number is not None:
                    sink.send_signal(number)
                stage.play(options.seconds / 3)
                cuts.append(time.monotonic_ns())
            report.check("the subscriber survives", sink.poll() is None, sink.poll(), "no exit code")
            figures = stage.statuses["inference"]
            stage.account(report, Terms())
        finally:
            sink.kill()
            sink.wait()
    phases = {}
    for name, since, until in zip(("before", "stalled", "after"), cuts, cuts[1:], strict=False):
        ages = [age for camera in CAMERAS for age in stage.ages_ms(camera, since, until)]
        phases[name] = {"hz": round(len(ages) / ((until - since) / 1e9), 2), **(percentiles(ages) or {})}
    report.figure("age_ms", phases)
    report.figure("publish_p99_ms", float(figures["publish_p99_ms"]))
    enough = phases["stalled"]["hz"] > 0
    report.check("detections go on", enough, phases, "some while the subscriber is stopped")
    holds = enough and phases["stalled"]["p50"] <= 1.5 * phases["before"]["p50"] + 10
    report.check("the node does not notice", holds, phases, "median age at most 1.5 times, and 10 ms", timed=True)
