"""A bad network between cameras and node."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..frames import Look
from ..ledger import Terms
from ..processes import ROOT
from ..report import Report, SkipScenario
from ..stage import Options, Stage
from ..statistics import percentiles

RATE_HZ = 6.0
# About 37 kB a frame: 26 packets, any of which may be the one that is lost.
LOOK = Look(width=320, height=240)
CLONE_NEWNET = 0x40000000
# Nodes in different namespaces are on different machines as far as they can tell.
SUBNET = ["env", "ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET"]


@dataclass(frozen=True)
class Weather:
    """What the link does to packets for a part of the run."""

    name: str
    loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0

    def command(self) -> dict[str, float]:
        return {"loss": self.loss, "delay_ms": self.delay_ms, "jitter_ms": self.jitter_ms}


PHASES = (
    Weather("clean"),
    Weather("20 ms", delay_ms=20, jitter_ms=5),
    Weather("1 % lost", loss=0.01, delay_ms=20, jitter_ms=5),
    Weather("10 % lost", loss=0.1, delay_ms=20, jitter_ms=5),
    Weather("cut", loss=1.0),
    Weather("healed", delay_ms=20, jitter_ms=5),
)


@contextmanager
def namespaces() -> Iterator[tuple[str, str]]:
    """Two network namespaces; skips where they may not be made."""
    if shutil.which("ip") is None:
        raise SkipScenario("no `ip` here (iproute2)")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise SkipScenario("/dev/net/tun is missing or may not be opened")
    names = (f"roadproof-{os.getpid()}-node", f"roadproof-{os.getpid()}-cameras")
    try:
        for name in names:
            made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
            if made.returncode != 0:
                raise SkipScenario(f"network namespaces may not be made here: {made.stderr.strip()}")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread, and what it starts, is in the namespace."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(path: Path) -> None:
        with path.open() as file:
            if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                raise SkipScenario(f"{path} may not be entered: {os.strerror(ctypes.get_errno())}")

    with Path("/proc/self/ns/net").open() as home:
        enter(Path("/run/netns") / namespace)
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


class Relay:
    """The link, tests/soak/relay.py, as a process."""

    def __init__(self, names: tuple[str, str], seed: int, log: Path) -> None:
        command = [sys.executable, "-m", "tests.soak.relay", *names, "--seed", str(seed)]
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True
            )
        assert self.process.stdout is not None
        if self.process.stdout.readline().strip() != "ready":
            self.close()
            raise SkipScenario(f"no link between namespaces: {log.read_text().strip()[-500:]}")

    def set(self, weather: Weather) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(weather.command()) + "\n")
        self.process.stdin.flush()

    def close(self) -> dict[str, int]:
        """Ends it; what it has carried and lost."""
        try:
            told, _ = self.process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            told, _ = self.process.communicate()
        return json.loads(told) if told.strip() else {}


def lossy_link(options: Options, report: Report) -> None:
    """Cameras and node are in different network namespaces; the link between them delays and loses packets, is cut,
    and heals.

    What does not arrive is lost to the network; what arrives must be counted, and everything must come back.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    with namespaces() as names:
        relay = Relay(names, options.seed, options.folder / "relay.log")
        try:
            range_before = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE")
            os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SUBNET"
            with inside(names[0]):
                _play(options, report, names[1], relay)
        finally:
            if range_before is not None:
                os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = range_before
            report.figure("packets", relay.close())


def _play(options: Options, report: Report, camera_namespace: str, relay: Relay) -> None:
    looks = {"reliable": LOOK, "best_effort": LOOK.but(reliable=False)}
    prefix = ["ip", "netns", "exec", camera_namespace, *SUBNET]
    figures, cuts = {}, []
    with Stage(options, looks, {"max_age_ms": 5000}, node_prefix=SUBNET, camera_prefix=prefix) as stage:
        stage.begin()
        stage.play_all(RATE_HZ)
        for weather in PHASES:
            relay.set(weather)
            cuts.append(time.monotonic_ns())
            stage.play(options.seconds / len(PHASES))
        stage.wait_answered(looks, cuts[-1])
        cuts.append(time.monotonic_ns())
        # A reliable publisher sends again what was lost, which is older than what came meanwhile.
        stage.account(report, {name: Terms(delivered=False, in_order=False) for name in looks})
        for name, camera in stage.cameras.items():
            records = camera.sent().records
            for weather, since, until in zip(PHASES, cuts, cuts[1:], strict=False):
                sent = records[(records["sent_ns"] >= since) & (records["sent_ns"] < until)]
                answered = len(set(sent["stamp_ns"].tolist()) & set(stage.ledgers[name].stamps))
                ages = percentiles(stage.ages_ms(name, since, until))
                figures[f"{name}, {weather.name}"] = {"sent": len(sent), "answered": answered, "age_ms": ages}
            healed = [tick for tick in stage.ledgers[name].ticks if tick >= cuts[-2]]
            report.check(f"{name}: comes back after a cut", healed, len(healed), "detections once the link has healed")
            if healed:
                report.figure(f"{name}_s_from_healing_to_detection", round((min(healed) - cuts[-2]) / 1e9, 2))
    report.figure("answered", figures)
