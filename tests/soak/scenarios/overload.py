"""More frames than the machine can process, for a long time."""

from __future__ import annotations

import os
import time

import numpy as np

from ..frames import Look
from ..ledger import Terms
from ..report import Report
from ..stage import Options, Stage
from ..statistics import jain_index, percentiles, slope

CAMERAS = ("front", "front_left", "front_right", "rear", "rear_left", "rear_right")
OVERLOAD = 3.0
CALIBRATION_RATE_HZ = 200.0
# What the age may exceed its bound by: waking up threads and the subscriber on a machine without an idle core.
MARGIN_MS = 50.0
# Growth below this is no leak that anybody could measure; one 640 x 480 frame that is never freed is nearly as much.
LEAST_GROWTH_BYTES = 2**20
STAGES = ("convert", "preprocess", "inference", "postprocess", "quality", "publish")


def capacity_hz(options: Options) -> float:
    """Frames per second that the node manages of one camera that sends many more."""
    seconds = min(20.0, max(2.5, options.seconds / 10))
    part = Options(seconds, options.seed, options.folder / "calibration", options.pin)
    with Stage(part, {"front": Look()}) as stage:
        stage.begin()
        stage.play_all(CALIBRATION_RATE_HZ)
        stage.play(1.0)
        before, begin = len(stage.ledgers["front"].stamps), time.monotonic()
        stage.play(seconds)
        return (len(stage.ledgers["front"].stamps) - before) / (time.monotonic() - begin)


def overload(options: Options, report: Report) -> None:
    """Six cameras send three times what the machine manages.

    First one camera at full speed shows what that is. Then the age of detections has to stay bounded, every frame
    counted, memory within noise, and the cameras served alike.
    """
    manageable_hz = capacity_hz(options)
    rate_hz = OVERLOAD * manageable_hz / len(CAMERAS)
    warm_up_s = min(60.0, options.seconds / 5)
    with Stage(options, dict.fromkeys(CAMERAS, Look())) as stage:
        stage.begin()
        stage.play_all(rate_hz)
        stage.play(warm_up_s)
        begin_ns, begin_cpu = time.monotonic_ns(), stage.usage[-1]
        processed = {name: len(ledger.stamps) for name, ledger in stage.ledgers.items()}
        stage.play(options.seconds)
        end_ns, end_cpu = time.monotonic_ns(), stage.usage[-1]
        served = [len(ledger.stamps) - processed[name] for name, ledger in stage.ledgers.items()]
        inference = stage.statuses["inference"]
        rates = {name: camera.sent().since(stage.baseline[name].sent) for name, camera in stage.cameras.items()}
        stage.account(report, Terms())

    seconds = (end_ns - begin_ns) / 1e9
    achieved_hz = {name: round(sent.rate_hz(), 2) for name, sent in rates.items()}
    report.figure("manageable_hz", round(manageable_hz, 1))
    report.figure("asked_hz_per_camera", round(rate_hz, 2))
    report.figure("sent_hz", achieved_hz)
    report.figure("processed_hz", round(sum(served) / seconds, 1))
    load = sum(achieved_hz.values()) / manageable_hz
    report.check("the load is what it should be", load > 0.9 * OVERLOAD, round(load, 2), "over 2.7 times", timed=True)
    judge_ages(stage, report, begin_ns, end_ns, 1e3 / rate_hz, inference)
    judge_fairness(report, served)
    judge_memory(stage, report, begin_ns, end_ns, sum(served))
    cpu = (end_cpu[1].cpu_s - begin_cpu[1].cpu_s) / max(1e-9, end_cpu[0] - begin_cpu[0])
    report.figure("node_cpus", round(cpu, 2))
    report.figure("pinned", options.prefixes() if options.pin else f"no, {len(os.sched_getaffinity(0))} CPUs shared")


def judge_ages(
    stage: Stage, report: Report, begin_ns: int, end_ns: int, period_ms: float, inference: dict[str, str]
) -> None:
    """A frame waits one period at most before a newer one replaces it, and is then processed."""
    work_ms = sum(float(inference[f"{part}_p99_ms"]) for part in STAGES)
    bound_ms = period_ms + work_ms + MARGIN_MS
    ages = {name: percentiles(stage.ages_ms(name, begin_ns, end_ns)) for name in CAMERAS}
    report.figure("age_ms", ages)
    report.figure("age_bound_ms", round(bound_ms, 1))
    worst = max((age["p99"] for age in ages.values() if age), default=float("inf"))
    report.check("p99 of the age is bounded", worst <= bound_ms, worst, f"at most {bound_ms:.0f} ms", timed=True)
    cuts = np.linspace(begin_ns, end_ns, 7).astype(np.int64)
    parts = []
    for since, until in zip(cuts, cuts[1:], strict=False):
        together = [age for name in CAMERAS for age in stage.ages_ms(name, int(since), int(until))]
        parts.append((percentiles(together) or {}).get("p99", float("nan")))
    report.figure("age_p99_ms_by_sixths", parts)
    holds = parts[-1] <= 1.25 * parts[0] + 5
    report.check("the age does not grow", holds, parts, "last sixth at most 1.25 times the first, and 5 ms", timed=True)


def judge_fairness(report: Report, served: list[int]) -> None:
    ratio = max(served) / max(1, min(served))
    report.figure("fairness", {"max_min": round(ratio, 4), "jain": round(jain_index(served), 6)})
    report.check("every camera is served", min(served) > 0, served, "frames processed of each")
    report.check("cameras are served alike", ratio <= 1.1, round(ratio, 4), "max/min at most 1.1", timed=True)


def judge_memory(stage: Stage, report: Report, begin_ns: int, end_ns: int, frames: int) -> None:
    """Within noise: the interval of the slope does not lie above zero, or what it makes in the whole time is less than
    1 MiB."""
    samples = [(at, usage) for at, usage in stage.usage if begin_ns / 1e9 <= at <= end_ns / 1e9]
    times, resident = [at for at, _ in samples], [usage.rss_bytes for _, usage in samples]
    report.figure("rss_mib", {"first": round(resident[0] / 2**20, 1), "last": round(resident[-1] / 2**20, 1)})
    line = slope(times, resident, block_s=max(5.0, (end_ns - begin_ns) / 1e9 / 60))
    if line is None:
        report.figure("rss_slope", "too short to tell")
        return
    growth, _, high = line.growth()
    report.figure("rss_slope_bytes_per_s", line.as_json())
    report.figure("rss_growth_bytes_per_frame", {"mean": round(growth / frames, 2), "at_most": round(high / frames, 2)})
    holds = line.low <= 0 or growth < LEAST_GROWTH_BYTES
    report.check("memory stays within noise", holds, line.as_json(), "interval not above 0, or growth below 1 MiB")
    for what in ("threads", "descriptors"):
        first, last = (getattr(samples[i][1], what) for i in (0, -1))
        report.check(f"no {what} are gathered", last <= first + 2, {"first": first, "last": last}, "at most 2 more")
