"""Nothing is lost that is not counted: what a camera sent, what the node says became of it, what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .report import Report
from .sent_log import SentLog

COUNTERS = ("received", "processed", "overwritten", "stale", "rejected", "pending")

# Of a violation, so many examples are kept.
EXAMPLES = 3


def imbalance(counters: Mapping[str, int]) -> int:
    """Frames that were received and of which the node does not say what became; 0 where the counters are right."""
    return counters["received"] - sum(counters[name] for name in COUNTERS[1:])


@dataclass
class Ledger:
    """One camera's counters, over all lives of the node, and the detections that a subscriber got."""

    camera: str
    lives: list[dict[str, int]] = field(default_factory=list)
    reports: int = 0
    unbalanced: list[dict[str, int]] = field(default_factory=list)
    went_back: list[tuple[dict[str, int], dict[str, int]]] = field(default_factory=list)
    # Stamps of the detections and when they came, wall clock and monotonic; nanoseconds.
    stamps: list[int] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)
    ticks: list[int] = field(default_factory=list)

    def begin_life(self) -> None:
        """The node starts anew, its counters at zero."""
        self.lives.append(dict.fromkeys(COUNTERS, 0))

    def record(self, counters: dict[str, int]) -> None:
        """The counters of a report."""
        self.reports += 1
        if imbalance(counters) != 0:
            self.unbalanced.append(counters)
        before = self.lives[-1]
        if any(counters[name] < before[name] for name in COUNTERS if name != "pending"):
            self.went_back.append((before, counters))
        self.lives[-1] = counters

    def detected(self, stamp_ns: int, arrival_ns: int, tick_ns: int) -> None:
        self.stamps.append(stamp_ns)
        self.arrivals.append(arrival_ns)
        self.ticks.append(tick_ns)

    def total(self, counter: str) -> int:
        """Over all lives; of a life that was cut off, what its last report said."""
        return sum(life[counter] for life in self.lives)

    def newest(self) -> dict[str, int]:
        return self.lives[-1]


@dataclass(frozen=True)
class Baseline:
    """Where a camera's ledger stands when the frames begin that are to be accounted for."""

    sent: int
    detections: int
    counters: dict[str, int]


@dataclass(frozen=True)
class Terms:
    """What can be asked of a camera's account, by what was done to it."""

    # Every frame reaches the node: a reliable publisher that nobody takes down, on one machine.
    delivered: bool = True
    # Every array of detections reaches the subscriber, and the node says of each what it was: it is not killed.
    one_life: bool = True
    # Stamps only go forward.
    in_order: bool = True


def settle_account(report: Report, ledger: Ledger, sent: SentLog, base: Baseline, terms: Terms) -> dict[str, int]:
    """Checks one camera's account and returns it."""
    name = ledger.camera
    mine = sent.since(base.sent)
    stamps = np.array(ledger.stamps[base.detections :], np.int64)
    gained = {counter: ledger.total(counter) - base.counters[counter] for counter in COUNTERS}
    account = {"sent": len(mine), **gained, "detections": len(stamps), "not_delivered": len(mine) - gained["received"]}

    unbalanced, went_back = ledger.unbalanced[:EXAMPLES], ledger.went_back[:EXAMPLES]
    what = "received = processed + overwritten + stale + rejected + pending in every report"
    report.check(f"{name}: the counters add up", not unbalanced and ledger.reports > 0, unbalanced, what)
    report.check(f"{name}: counters never go back", not went_back, went_back, "none lower than in the report before")
    pending = ledger.newest()["pending"]
    report.check(f"{name}: nothing is under way at the end", pending == 0, pending, "0 pending once the input is quiet")
    unknown = int((~np.isin(stamps, sent.stamps())).sum())
    report.check(f"{name}: detections are of frames that were sent", unknown == 0, unknown, "0 of other stamps")
    twice = len(stamps) - len(np.unique(stamps))
    report.check(f"{name}: no frame is answered twice", twice == 0, twice, "0 stamps seen before")
    if terms.in_order:
        late = int((np.diff(stamps) < 0).sum())
        report.check(f"{name}: never an older frame after a newer one", late == 0, late, "0 stamps that go back")
    if terms.one_life:
        found = {"processed": gained["processed"], "detections": len(stamps)}
        holds = gained["processed"] == len(stamps)
        report.check(f"{name}: one message for every processed frame", holds, found, "both the same")
    if terms.delivered:
        found = {"sent": len(mine), "received": gained["received"]}
        report.check(f"{name}: every sent frame is counted", len(mine) == gained["received"], found, "both the same")
    elif terms.one_life:
        holds = gained["received"] <= len(mine)
        report.check(f"{name}: no more frames than were sent", holds, account, "received at most sent")
    return account
