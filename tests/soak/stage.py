"""The node, its cameras, and a subscriber that hears everything: what every scenario plays on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from vision_msgs.msg import Detection2DArray

from harness.domain import Domain
from harness.peer import NODE, Peer, qos
from harness.process import MODEL, NodeProcess, Value
from harness.rig import values

from .frames import Look, stamp_of
from .ledger import COUNTERS, Baseline, Ledger, Terms, settle_account
from .processes import CameraProcess, Usage, wait_quiet
from .report import Report

SAMPLE_S = 0.5
START_TIMEOUT_S = 60.0
SETTLE_TIMEOUT_S = 15.0
FIRST_RATE_HZ = 4.0


@dataclass(frozen=True)
class Options:
    """How a scenario is run."""

    seconds: float
    seed: int
    folder: Path
    # Node on all CPUs but the last, everything else on the last.
    pin: bool = False

    def prefixes(self) -> tuple[list[str], list[str]]:
        """What the commands of the node and of everything else begin with."""
        cpus = sorted(os.sched_getaffinity(0)) if not self.pin else list(range(os.cpu_count() or 1))
        if not self.pin or len(cpus) < 2:
            return [], []
        return ["taskset", "-c", ",".join(map(str, cpus[:-1]))], ["taskset", "-c", str(cpus[-1])]


@dataclass(frozen=True)
class Event:
    """Something that is done to the stage at a time, seconds from the start of `Stage.play`."""

    at_s: float
    what: str
    do: Callable[[], None]


@dataclass
class Recovery:
    """A node that was killed and started again; monotonic, nanoseconds."""

    killed_ns: int
    spawned_ns: int = 0
    first_ns: dict[str, int] = field(default_factory=dict)


class Stage(AbstractContextManager["Stage"]):
    """Everything is ended with it, whatever happened."""

    def __init__(
        self,
        options: Options,
        looks: Mapping[str, Look],
        parameters: Mapping[str, Value] | None = None,
        node_prefix: Sequence[str] = (),
        camera_prefix: Sequence[str] = (),
    ) -> None:
        self.options = options
        options.folder.mkdir(parents=True, exist_ok=True)
        self.domain = Domain()
        pinned_node, pinned_load = options.prefixes()
        self.node_prefix = [*node_prefix, *pinned_node]
        self.load_prefix = [*camera_prefix, *pinned_load]
        self.parameters: dict[str, Value] = {
            "model": str(MODEL), "cameras": list(looks), "intra_op_threads": 1,
            **{f"{name}.topic": f"/{name}" for name in looks},
            **{f"{name}.transport": look.transport for name, look in looks.items()},
            **(parameters or {}),
        }  # fmt: skip
        self.ledgers = {name: Ledger(name) for name in looks}
        self.statuses: dict[str, dict[str, str]] = {}
        self.baseline: dict[str, Baseline] = {}
        self.usage: list[tuple[float, Usage]] = []
        self.recoveries: list[Recovery] = []
        self.unexpected_exits: list[int] = []
        self._respawn_at: float | None = None
        self._next_sample = 0.0
        self.cameras: dict[str, CameraProcess] = {}
        self.node: NodeProcess | None = None
        self.peer = Peer(self.domain.number)
        try:
            self.peer.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 50)
            for name in looks:
                self._subscribe(name)
            self._spawn()
            for index, (name, look) in enumerate(looks.items()):
                self.cameras[name] = CameraProcess(
                    options.folder, name, look, self.domain.number, options.seed + index, self.load_prefix
                )
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for camera in self.cameras.values():
            camera.close()
        if self.node is not None:
            self.node.kill()
        self.peer.close()
        self.domain.close()

    # ---- what is heard

    def _subscribe(self, name: str) -> None:
        ledger = self.ledgers[name]

        def receive(message: bytes) -> None:
            tick_ns = time.monotonic_ns()
            ledger.detected(stamp_of(message), time.time_ns(), tick_ns)
            if self.recoveries and self.recoveries[-1].spawned_ns:
                self.recoveries[-1].first_ns.setdefault(name, tick_ns)

        topic = f"{NODE}/{name}/detections"
        self.peer.node.create_subscription(Detection2DArray, topic, receive, qos(depth=1000), raw=True)

    def _diagnosed(self, message: DiagnosticArray) -> None:
        found = {status.name.removeprefix("roadproof: "): status for status in message.status}
        # A node that was killed may still have had a report under way; of its successor nothing is known by then.
        if self._respawn_at is not None:
            return
        self.statuses = {name: {**values(status), "message": status.message} for name, status in found.items()}
        for name, ledger in self.ledgers.items():
            of_input = self.statuses.get(f"input {name}")
            if of_input is not None:
                ledger.record({counter: int(of_input[counter]) for counter in COUNTERS})

    # ---- the node's lives

    def _spawn(self) -> None:
        life = len(self.ledgers[next(iter(self.ledgers))].lives)
        log = self.options.folder / f"node-{life}.log"
        for ledger in self.ledgers.values():
            ledger.begin_life()
        self.statuses = {}
        if self.recoveries:
            self.recoveries[-1].spawned_ns = time.monotonic_ns()
        self.node = NodeProcess(log, self.domain.number, self.parameters, prefix=self.node_prefix)

    def crash(self, respawn_after_s: float) -> None:
        """Kills the node without a chance to say goodbye; it is started again after a while."""
        if self._respawn_at is not None:
            return
        self.node.kill()
        self.recoveries.append(Recovery(time.monotonic_ns()))
        self._respawn_at = time.monotonic() + respawn_after_s

    # ---- time

    def spin(self, seconds: float) -> None:
        """Listens, and looks after the node, for a time."""
        deadline = time.monotonic() + seconds
        while (now := time.monotonic()) < deadline:
            self._look_after(now)
            self.peer.executor.spin_once(timeout_sec=min(0.02, deadline - now))

    def _look_after(self, now: float) -> None:
        if self._respawn_at is not None:
            if now >= self._respawn_at:
                self._spawn()
                self._respawn_at = None
            return
        if not self.node.is_alive():
            self.unexpected_exits.append(self.node.process.returncode)
            self.recoveries.append(Recovery(time.monotonic_ns()))
            self._respawn_at = now
            return
        if now >= self._next_sample:
            self._next_sample = now + SAMPLE_S
            self.usage.append((now, Usage.of(self.node.process.pid)))

    def play(self, seconds: float, events: Sequence[Event] = ()) -> None:
        """Listens for a time, and does what is due in it."""
        start = time.monotonic()
        for event in sorted(events, key=lambda event: event.at_s):
            self.spin(max(0.0, start + min(event.at_s, seconds) - time.monotonic()))
            event.do()
        self.spin(max(0.0, start + seconds - time.monotonic()))

    def wait_until(self, condition: Callable[[], object], what: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                log = "" if self.node is None else self.node.log()[-3000:]
                raise TimeoutError(f"in vain for {timeout} s: {what}; the end of the node's log:\n{log}")
            self.spin(0.02)

    def wait_answered(self, names: Iterable[str], since_ns: int) -> None:
        """Waits until each camera has detections later than that; as long as it takes to be sure that none come."""
        names = list(names)
        answered = lambda: all(self.ledgers[n].ticks and self.ledgers[n].ticks[-1] > since_ns for n in names)  # noqa: E731
        self.wait_until(answered, f"new detections of {names}", START_TIMEOUT_S)

    def wait_active(self) -> None:
        is_active = lambda: self.statuses.get("lifecycle", {}).get("state") == "active"  # noqa: E731
        self.wait_until(is_active, "the node is active", START_TIMEOUT_S)

    # ---- accounts

    def play_all(self, rate_hz: float) -> None:
        for camera in self.cameras.values():
            camera.play(rate_hz)

    def begin(self) -> None:
        """Waits until every camera is answered, and begins the accounts there: nobody can count frames that are sent
        before publisher and subscription have found each other."""
        self.wait_active()
        self.play_all(FIRST_RATE_HZ)
        heard = {name: len(ledger.stamps) for name, ledger in self.ledgers.items()}
        answered = lambda: all(len(self.ledgers[name].stamps) > heard[name] + 2 for name in heard)  # noqa: E731
        self.wait_until(answered, f"detections of all cameras {list(heard)}", START_TIMEOUT_S)
        # The node may subscribe anew once it sees what is offered, twice a second.
        self.spin(1.2)
        self.settle()
        for name, ledger in self.ledgers.items():
            counters = {counter: ledger.total(counter) for counter in COUNTERS}
            self.baseline[name] = Baseline(len(self.cameras[name].sent()), len(ledger.stamps), counters)

    def settle(self) -> None:
        """Pauses all cameras and waits until the node has nothing under way and has said so."""
        for camera in self.cameras.values():
            if camera.stopped:
                camera.go_on()
            if not camera.is_alive():
                camera.start()
        self.play_all(0)
        wait_quiet(list(self.cameras.values()))
        self.wait_active()
        seen: list[dict[str, int]] = []

        def settled() -> bool:
            newest = {name: (ledger.reports, ledger.newest()) for name, ledger in self.ledgers.items()}
            if any(reports < self._reports[name] + 2 for name, (reports, _) in newest.items()):
                return False
            seen.append({name: counters["received"] for name, (_, counters) in newest.items()})
            return all(counters["pending"] == 0 for _, counters in newest.values())

        self._reports = {name: ledger.reports for name, ledger in self.ledgers.items()}
        self.wait_until(settled, "nothing pending in two reports", SETTLE_TIMEOUT_S)
        # Detections of the last frames.
        self.spin(0.3)

    def account(self, report: Report, terms: Terms | Mapping[str, Terms]) -> dict[str, dict[str, int]]:
        """Pauses everything and settles the accounts of all cameras, for the report."""
        self.settle()
        accounts = {}
        for name, ledger in self.ledgers.items():
            mine = terms if isinstance(terms, Terms) else terms[name]
            sent = self.cameras[name].sent()
            accounts[name] = settle_account(report, ledger, sent, self.baseline[name], mine)
        totals = {key: sum(account[key] for account in accounts.values()) for key in next(iter(accounts.values()))}
        report.figure("frames", totals)
        report.check("the node never left by itself", not self.unexpected_exits, self.unexpected_exits, "no exit codes")
        panics = sum("panicked" in log.read_text(errors="replace") for log in self.options.folder.glob("node-*.log"))
        report.check("no panic in the node's log", panics == 0, panics, "0 logs with one")
        return accounts

    def ages_ms(self, name: str, since_ns: int = 0, until_ns: int = 2**63 - 1) -> list[float]:
        """Age by stamp of a camera's detections on arrival at the subscriber, of those between two monotonic times."""
        ledger, first = self.ledgers[name], self.baseline[name].detections
        heard = zip(ledger.stamps[first:], ledger.arrivals[first:], ledger.ticks[first:], strict=True)
        return [(arrival - stamp) / 1e6 for stamp, arrival, tick in heard if since_ns <= tick < until_ns]
