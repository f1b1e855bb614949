"""The scenarios by name. Each takes `Options` and fills a `Report`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..report import Report
from ..stage import Options
from . import cameras, chaos, clock, disk, network, overload, parameters, respawn, subscribers

Play = Callable[[Options, Report], None]


@dataclass(frozen=True)
class Scenario:
    """One scenario; what it does is the docstring of `play`."""

    name: str
    play: Play
    # Share of the minutes that a record run of all scenarios gives it, beside `overload`'s whole.
    share: float
    # How long the version is that `make test` runs.
    short_s: float

    @property
    def summary(self) -> str:
        return " ".join((self.play.__doc__ or "").split("\n\n")[0].split())


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("overload", overload.overload, 1.0, 8.0),
        Scenario("camera-kill", cameras.camera_kill, 0.05, 8.0),
        Scenario("camera-change", cameras.camera_change, 0.05, 10.0),
        Scenario("node-kill", respawn.node_kill, 0.05, 10.0),
        Scenario("clock", clock.clock_jumps, 0.05, 10.0),
        Scenario("parameters", parameters.parameter_storm, 0.05, 6.0),
        Scenario("stalled-subscriber", subscribers.stalled_subscriber, 0.05, 9.0),
        Scenario("network", network.lossy_link, 0.06, 12.0),
        Scenario("disk-full", disk.disk_full, 0.01, 5.0),
        Scenario("chaos", chaos.everything_at_once, 0.06, 12.0),
    )
}
