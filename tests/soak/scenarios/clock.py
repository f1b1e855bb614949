"""Time that jumps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from rosgraph_msgs.msg import Clock

from ..frames import Look
from ..ledger import Terms
from ..report import Report
from ..stage import Options, Stage

RATE_HZ = 8.0
CLOCK_HZ = 50.0
CAMERAS = ("front", "rear")
HOUR_NS = 3600 * 10**9


class SimulatedTime:
    """Publishes /clock; the time is the wall clock's plus an offset, or stands still."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.offset_ns = -time.time_ns() + 1000 * 10**9
        self.frozen_ns: int | None = None
        self.publisher = stage.peer.node.create_publisher(Clock, "/clock", 10)
        self.timer = stage.peer.node.create_timer(1 / CLOCK_HZ, self._publish)

    def now_ns(self) -> int:
        return self.frozen_ns if self.frozen_ns is not None else time.time_ns() + self.offset_ns

    def _publish(self) -> None:
        now_ns = self.now_ns()
        self.publisher.publish(Clock(clock=Time(sec=now_ns // 10**9, nanosec=now_ns % 10**9)))

    def tell_cameras(self, stamps_ahead_ns: int = 0) -> None:
        """Lets the cameras stamp with this time, or with one that is so much ahead of it."""
        for camera in self.stage.cameras.values():
            if self.frozen_ns is not None:
                camera.follow_clock({"frozen_ns": self.frozen_ns + stamps_ahead_ns})
            else:
                camera.follow_clock({"offset_ns": self.offset_ns + stamps_ahead_ns})

    def leap(self, by_ns: int) -> None:
        self.offset_ns += by_ns
        self.tell_cameras()

    def pause(self) -> None:
        self.frozen_ns = self.now_ns()
        self.tell_cameras()

    def resume(self) -> None:
        assert self.frozen_ns is not None
        self.offset_ns, self.frozen_ns = self.frozen_ns - time.time_ns(), None
        self.tell_cameras()


@dataclass(frozen=True)
class Phase:
    """A part of the run; whether frames are processed in it or all count as stale."""

    name: str
    begin: Callable[[], None]
    processed: bool = True


def clock_jumps(options: Options, report: Report) -> None:
    """Simulated time leaps an hour forward and back, stands still and goes on; then the cameras' stamps lie ten seconds
    in the past, and in the future.

    Frames that are too old must count as stale, all others be processed, whatever the clock has done before.
    """
    with Stage(options, dict.fromkeys(CAMERAS, Look()), {"use_sim_time": True}) as stage:
        clock = SimulatedTime(stage)
        clock.tell_cameras()
        phases = (
            Phase("time runs", lambda: None),
            Phase("an hour forward", lambda: clock.leap(HOUR_NS)),
            Phase("an hour back", lambda: clock.leap(-HOUR_NS)),
            Phase("time stands still", clock.pause),
            Phase("time goes on", clock.resume),
            Phase("stamps ten seconds old", lambda: clock.tell_cameras(-10 * 10**9), processed=False),
            Phase("stamps ten seconds ahead", lambda: clock.tell_cameras(10 * 10**9)),
            Phase("stamps are right again", clock.tell_cameras),
        )
        stage.begin()
        stage.play_all(RATE_HZ)
        length_s = options.seconds / len(phases)
        for phase in phases:
            _play(stage, report, phase, length_s)
        jumps = {name: int(stage.statuses[f"input {name}"]["stamp_jumps"]) for name in CAMERAS}
        stage.account(report, Terms(in_order=False))
    # Back an hour, ten seconds back, and from ten seconds ahead to now.
    report.figure("stamp_jumps", jumps)
    report.check("jumps of the stamps are counted", all(n >= 3 for n in jumps.values()), jumps, "3 of each camera")


def _play(stage: Stage, report: Report, phase: Phase, length_s: float) -> None:
    """Judges the second half: at a jump, frames may be under way with the old time and the clock with the new one."""
    phase.begin()
    # Longer than a frame may be old.
    stage.play(max(length_s / 2, 0.0 if phase.processed else 1.5))
    half_ns = time.monotonic_ns()
    reports = {name: stage.ledgers[name].reports for name in CAMERAS}
    before = {name: len(stage.ledgers[name].stamps) for name in CAMERAS}
    stage.play(length_s / 2)
    if phase.processed:
        stage.wait_answered(CAMERAS, half_ns)
    answered = {name: len(stage.ledgers[name].stamps) - before[name] for name in CAMERAS}
    if phase.processed:
        report.check(f"{phase.name}: frames are processed", min(answered.values()) > 0, answered, "some of each camera")
    else:
        report.check(f"{phase.name}: nothing is processed", max(answered.values()) == 0, answered, "0 detections")
    if length_s > 4:
        heard = {name: stage.ledgers[name].reports - reports[name] for name in CAMERAS}
        report.check(f"{phase.name}: the node reports", min(heard.values()) > 0, heard, "diagnostics")
