"""Parameters are set all the time."""

from __future__ import annotations

import json
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
STORM_HZ = 200.0
CAMERAS = ("front", "rear")


def start_storm(stage: Stage, seconds: float, rate_hz: float) -> subprocess.Popen[str]:
    command = [
        *stage.load_prefix, sys.executable, "-m", "tests.soak.storm", "--domain", str(stage.domain.number),
        "--seconds", str(seconds), "--rate", str(rate_hz), "--seed", str(stage.options.seed),
    ]  # fmt: skip
    environment = child_environment(stage.domain.number)
    log = (stage.options.folder / "storm.log").open("w")
    with log:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)


def end_storm(stage: Stage, storm: subprocess.Popen[str]) -> dict:
    """Waits for the storm to pass; what it tells."""
    stage.wait_until(lambda: storm.poll() is not None, "the storm passes", stage.options.seconds + 60.0)
    assert storm.stdout is not None
    said = storm.stdout.read()
    if storm.returncode != 0:
        problem = (stage.options.folder / "storm.log").read_text()[-2000:]
        raise RuntimeError(f"the storm left with code {storm.returncode}:\n{problem}")
    return json.loads(said)


def judge_storm(report: Report, told: dict) -> None:
    report.figure("set_hz", told["set_hz"])
    report.figure("services", told["services"])
    report.figure("results", told["results"])
    for name, tally in told["services"].items():
        holds = 0 < tally["sent"] == tally["answered"]
        report.check(f"every {name} request is answered", holds, tally, "as many answers as requests")
    report.check(
        "right values are taken, wrong ones refused", told["wrong_count"] == 0, told["wrong"], "no other answer"
    )


def parameter_storm(options: Options, report: Report) -> None:
    """200 requests a second set parameters, half of them wrongly, others read and list them, while frames flow.

    Every request must be answered rightly, the last accepted values hold, and the frames must not notice.
    """
    with Stage(options, dict.fromkeys(CAMERAS, Look())) as stage:
        stage.begin()
        stage.play_all(RATE_HZ)
        begin_ns = time.monotonic_ns()
        stage.play(min(20.0, options.seconds / 3))
        storm_ns = time.monotonic_ns()
        storm = start_storm(stage, options.seconds, STORM_HZ)
        try:
            told = end_storm(stage, storm)
        finally:
            storm.kill()
            storm.wait()
        end_ns = time.monotonic_ns()
        stage.account(report, Terms())
    judge_storm(report, told)
    report.check("the rate is what it should be", told["set_hz"] > 0.9 * STORM_HZ, told["set_hz"], "180/s", timed=True)
    found = {"expected": told["expected"], "found": told["found"]}
    report.check("the last accepted values hold", told["expected"] == told["found"], found, "both the same")
    before = [age for name in CAMERAS for age in stage.ages_ms(name, begin_ns, storm_ns)]
    during = [age for name in CAMERAS for age in stage.ages_ms(name, storm_ns, end_ns)]
    ages = {"before": percentiles(before), "during": percentiles(during)}
    report.figure("age_ms", ages)
    holds = ages["before"] and ages["during"] and ages["during"]["p50"] <= 1.5 * ages["before"]["p50"] + 10
    report.check("frames do not notice", holds, ages, "median age at most 1.5 times that before, and 10 ms", timed=True)
