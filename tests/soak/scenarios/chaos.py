"""Everything at once."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter

from ..frames import Look
from ..ledger import Terms
from ..report import Report
from ..schedule import camera_faults, moments
from ..stage import Event, Options, Stage
from ..statistics import percentiles
from .cameras import _codec
from .parameters import end_storm, judge_storm, start_storm
from .subscribers import start_sink

RATE_HZ = 6.0
FAILING = ("left", "right")
STORM_HZ = 50.0


def everything_at_once(options: Options, report: Report) -> None:
    """Cameras are killed and stopped, change their frames and break them, their clock jumps, a subscriber of everything
    hangs and goes on, and parameters are set all the time; what happens when is drawn from the seed.

    Every frame has to be counted, and everything to come back.
    """
    chance = random.Random(options.seed)
    done: Counter[str] = Counter()
    with Stage(options, dict.fromkeys((*FAILING, "changing", "jumping"), Look())) as stage:
        sink = start_sink(stage)
        storm = None
        try:
            stage.begin()
            stage.play_all(RATE_HZ)
            events: list[Event] = []
            for name in FAILING:
                events += camera_faults(
                    chance, stage.cameras[name], options.seconds, 4.0, lambda what: done.update([what])
                )
            events += _changes(chance, stage, options.seconds, done)
            events += _jumps(chance, stage, options.seconds, done)
            events += _hangs(chance, sink, options.seconds, done)
            storm = start_storm(stage, max(1.0, options.seconds - 3.0), STORM_HZ)
            stage.play(options.seconds, events)
            for name in ("changing", "jumping"):
                stage.cameras[name].put_on(Look())
                stage.cameras[name].follow_clock({"offset_ns": 0})
            sink.send_signal(signal.SIGCONT)
            judge_storm(report, end_storm(stage, storm))
            before = {name: len(ledger.stamps) for name, ledger in stage.ledgers.items()}
            stage.wait_answered(stage.cameras, time.monotonic_ns())
            back = {name: len(ledger.stamps) - before[name] for name, ledger in stage.ledgers.items()}
            report.check("every camera is answered at the end", min(back.values()) > 0, back, "detections of each")
            lost = {name: Terms(delivered=False) for name in FAILING}
            # Stamps that jump back are answered in the order in which they came.
            kept = {"changing": Terms(), "jumping": Terms(in_order=False)}
            stage.account(report, {**lost, **kept})
            ages = percentiles(stage.ages_ms("changing"))
        finally:
            for process in (sink, storm):
                if process is not None:
                    process.kill()
                    process.wait()
    report.figure("done", dict(done))
    report.check("something was done", sum(done.values()) > 0, dict(done), "events")
    report.figure("changing_age_ms", ages)


def _changes(chance: random.Random, stage: Stage, seconds: float, done: Counter[str]) -> list[Event]:
    def change(look: Look) -> None:
        stage.cameras["changing"].put_on(look)
        done.update(["change"])

    looks = [(at, _codec(chance, Look(), number)) for number, at in enumerate(moments(chance, seconds, 2.0))]
    return [Event(at, f"changing: {look}", lambda look=look: change(look)) for at, look in looks]


def _jumps(chance: random.Random, stage: Stage, seconds: float, done: Counter[str]) -> list[Event]:
    """Stamps in the past, up to beyond `max_age_ms`, and in the future."""

    def jump(offset_ns: int) -> None:
        stage.cameras["jumping"].follow_clock({"offset_ns": offset_ns})
        done.update(["jump"])

    offsets = [(at, round(chance.uniform(-3e9, 3e9))) for at in moments(chance, seconds, 3.0)]
    return [Event(at, f"jumping: {offset} ns", lambda offset=offset: jump(offset)) for at, offset in offsets]


def _hangs(chance: random.Random, sink: object, seconds: float, done: Counter[str]) -> list[Event]:
    def send(number: signal.Signals) -> None:
        sink.send_signal(number)  # type: ignore[attr-defined]
        done.update([number.name])

    events = []
    for index, at in enumerate(moments(chance, seconds, 4.0)):
        number = signal.SIGSTOP if index % 2 == 0 else signal.SIGCONT
        events.append(Event(at, number.name, lambda number=number: send(number)))
    return events
