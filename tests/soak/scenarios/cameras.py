"""Cameras that fail, and cameras that change while they send."""

from __future__ import annotations

import random
import time

from ..frames import Look
from ..ledger import Terms
from ..processes import CameraProcess, orphaned_segments
from ..report import Report
from ..schedule import camera_faults
from ..sent_log import GOOD, MALFORMED, UNDECODABLE
from ..stage import Event, Options, Stage
from ..statistics import percentiles

RATE_HZ = 6.0
ENCODINGS = ("bgr8", "rgb8", "mono8", "mono16 little-endian", "bayer_rggb8", "yuyv", "nv12", "bgra8")
SIZES = ((320, 240), (640, 480), (64, 48), (848, 480))


def camera_kill(options: Options, report: Report) -> None:
    """Camera processes are killed and restarted, stopped and continued, at random.

    One camera is left alone: it must not notice anything.
    """
    chance = random.Random(options.seed)
    failing = ("front", "left", "right")
    orphans = orphaned_segments()
    noted: dict[str, list[tuple[int, str]]] = {name: [] for name in failing}
    with Stage(options, dict.fromkeys((*failing, "steady"), Look())) as stage:
        stage.begin()
        events: list[Event] = []
        for name in failing:
            note = lambda what, name=name: noted[name].append((time.monotonic_ns(), what))  # noqa: E731
            events += camera_faults(chance, stage.cameras[name], options.seconds, 3.0, note)
        stage.play_all(RATE_HZ)
        stage.play(options.seconds, events)
        # The last ones to come back have to start and to find the node first.
        stage.wait_answered(failing, time.monotonic_ns())
        terms = {name: Terms(delivered=False) for name in failing}
        accounts = stage.account(report, {**terms, "steady": Terms()})
        ages = percentiles(stage.ages_ms("steady"))
    waits: dict[str, list[float]] = {"kill": [], "stop": []}
    for name, notes in noted.items():
        ticks = stage.ledgers[name].ticks
        for at_ns, what in (note for note in notes if note[1].startswith("back")):
            after = [tick for tick in ticks if tick > at_ns]
            report.check(f"{name}: comes {what}", after, len(after), "detections afterwards")
            if after:
                waits[what.removeprefix("back from ")].append((min(after) - at_ns) / 1e9)
    for what, seconds in waits.items():
        report.figure(f"{what}s", len(seconds))
        report.figure(f"s_from_{what}_to_detection", percentiles(seconds))
    report.check("something was done", any(waits.values()), {k: len(v) for k, v in waits.items()}, "kills or stops")
    report.figure("not_delivered", {name: accounts[name]["not_delivered"] for name in failing})
    report.figure("steady_age_ms", ages)
    report.figure("orphaned_segments", len(set(orphaned_segments()) - set(orphans)))


def camera_change(options: Options, report: Report) -> None:
    """Publishers change resolution, encoding and quality of service while they send, and send frames that are broken.

    Where the quality of service stays, every frame must be counted, the broken ones as rejected.
    """
    chance = random.Random(options.seed)
    raw = Look("raw", encoding="bgr8")
    looks = {"encoding": raw, "codec": Look(), "offer": raw.but(width=320, height=240)}
    phases: dict[str, list[tuple[int, Look]]] = {name: [] for name in looks}

    def change(stage: Stage, name: str, look: Look) -> None:
        stage.cameras[name].put_on(look)
        phases[name].append((time.monotonic_ns(), look))

    with Stage(options, looks) as stage:
        stage.begin()
        stage.play_all(RATE_HZ)
        events = []
        for name, period_s, draw in (("encoding", 1.0, _encoding), ("codec", 1.0, _codec), ("offer", 2.5, _offer)):
            # The first two are of every kind, so that a short run has it as well.
            count = int((options.seconds - 1.0) / period_s)
            drawn = [draw(chance, looks[name], number) for number in range(count)] + [looks[name]]
            at = [number * period_s for number in range(count)] + [options.seconds - 1.0]
            events += [
                Event(when, f"{name}: {look}", lambda name=name, look=look: change(stage, name, look))
                for when, look in zip(at, drawn, strict=True)
            ]
        stage.play(options.seconds, events)
        end_ns = time.monotonic_ns()
        terms = {"encoding": Terms(), "codec": Terms(), "offer": Terms(delivered=False)}
        accounts = stage.account(report, terms)
        report.figure("changes", {name: len(found) for name, found in phases.items()})
        report.figure("not_delivered_of_changing_offer", accounts["offer"]["not_delivered"])
        _judge_broken(report, stage.cameras, stage, accounts)
        _judge_answers(report, stage, phases, end_ns)
        infos = stage.peer.node.get_subscriptions_info_by_topic("/offer")
        report.check("subscriptions are not gathered", len(infos) <= 3, len(infos), "at most 3 on the topic at the end")


def _encoding(chance: random.Random, look: Look, number: int) -> Look:
    width, height = chance.choice(SIZES)
    kind = MALFORMED if number == 1 or chance.random() < 0.2 else GOOD
    return look.but(width=width, height=height, encoding=chance.choice(ENCODINGS), kind=kind)


def _codec(chance: random.Random, look: Look, number: int) -> Look:
    width, height = chance.choice(SIZES)
    kind = UNDECODABLE if number == 1 or chance.random() < 0.2 else GOOD
    return look.but(width=width, height=height, encoding=chance.choice(("jpeg", "png")), kind=kind)


def _offer(chance: random.Random, look: Look, number: int) -> Look:
    reliable = number % 2 == 1 or chance.random() < 0.5
    return look.but(reliable=reliable, depth=chance.choice((1, 5, 20)), latched=chance.random() < 0.5)


def _judge_broken(
    report: Report, cameras: dict[str, CameraProcess], stage: Stage, accounts: dict[str, dict[str, int]]
) -> None:
    sent = {name: camera.sent().since(stage.baseline[name].sent) for name, camera in cameras.items()}
    malformed, undecodable = sent["encoding"].count(MALFORMED), sent["codec"].count(UNDECODABLE)
    found = {"malformed": malformed, "rejected": accounts["encoding"]["rejected"]}
    holds = 0 < malformed == found["rejected"]
    report.check("every malformed frame is rejected", holds, found, "both the same, above 0")
    # One that is replaced before its turn counts as overwritten: that it is broken shows only when it is decoded.
    found = {"undecodable": undecodable, **accounts["codec"]}
    holds = 0 < found["rejected"] <= undecodable <= found["rejected"] + found["overwritten"] + found["stale"]
    report.check("every undecodable frame is rejected or replaced", holds, found, "no more and no less")
    for name in ("encoding", "codec"):
        broken = set(sent[name].stamps()[sent[name].records["kind"] != GOOD].tolist())
        answered = len(broken & set(stage.ledgers[name].stamps))
        report.check(f"{name}: nothing is detected in broken frames", answered == 0, answered, "0 detections")


def _judge_answers(report: Report, stage: Stage, phases: dict[str, list[tuple[int, Look]]], end_ns: int) -> None:
    gaps = []
    for name, found in phases.items():
        ticks = stage.ledgers[name].ticks
        for (since, look), (until, _) in zip(found, [*found[1:], (end_ns, None)], strict=True):
            if look.kind != GOOD:
                continue
            inside = [tick for tick in ticks if since <= tick < until]
            what = f"{name}: {look.encoding} {look.width}x{look.height} is answered"
            report.check(what, inside, len(inside), "detections while the camera sends so", timed=True)
            if name == "offer" and inside:
                gaps.append((min(inside) - since) / 1e9)
    report.figure("s_from_new_offer_to_detection", percentiles(gaps))
