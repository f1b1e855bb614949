"""What a scenario found: figures, and checks that hold or do not."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class SkipScenario(Exception):  # noqa: N818 - it is no error
    """A scenario cannot be run here; the message says why."""


@dataclass(frozen=True)
class Check:
    """Something that must hold."""

    name: str
    holds: bool
    found: Any
    expected: str
    # Whether it depends on how fast the machine is and what else it does: such checks are for a machine that does
    # nothing else, and the short versions that `make test` runs leave them out.
    timed: bool


@dataclass
class Report:
    """Of one scenario."""

    scenario: str
    seed: int
    seconds: float
    figures: dict[str, Any] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    skipped: str | None = None

    def figure(self, name: str, value: Any) -> None:
        self.figures[name] = value

    def check(self, name: str, holds: object, found: Any, expected: str, *, timed: bool = False) -> None:
        self.checks.append(Check(name, bool(holds), found, expected, timed))

    def failures(self, timed: bool = True) -> list[Check]:
        """The checks that do not hold, those that depend on the machine's speed only if `timed`."""
        return [check for check in self.checks if not check.holds and (timed or not check.timed)]

    def state(self) -> str:
        if self.skipped is not None:
            return "skipped"
        return "failed" if self.failures() else "passed"

    def as_json(self) -> dict[str, Any]:
        return {
            "scenario": self.scenario,
            "state": self.state(),
            "skipped": self.skipped,
            "seed": self.seed,
            "seconds": self.seconds,
            "machine": machine(),
            "figures": self.figures,
            "checks": [vars(check) for check in self.checks],
        }

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.scenario}.json"
        path.write_text(json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return path


def machine() -> dict[str, Any]:
    """Where it ran."""
    names = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    return {
        "cpus": os.cpu_count(),
        "cpu": ", ".join(sorted(names)) or platform.machine(),
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
        "fastdds_profile": Path(os.environ.get("FASTRTPS_DEFAULT_PROFILES_FILE", "none")).name,
    }


def text(value: Any) -> str:
    """A figure for people: percentiles on one line, floats short."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {text(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(text(inner) for inner in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def markdown(reports: list[dict[str, Any]]) -> str:
    """Tables of what reports (as JSON) say, for docs/reliability.md."""
    head = "| scenario | seconds | state | checks | not held |\n| --- | --- | --- | --- | --- |\n"
    rows = []
    for report in reports:
        failed = [check["name"] for check in report["checks"] if not check["holds"]]
        said = report["skipped"] or "; ".join(failed) or "none"
        seconds, state, checks = report["seconds"], report["state"], len(report["checks"])
        rows.append(f"| {report['scenario']} | {seconds:.0f} | {state} | {checks} | {said} |")
    parts = [head + "\n".join(rows) + "\n"]
    for report in (r for r in reports if r["figures"]):
        figures = "\n".join(f"| {name} | {text(value)} |" for name, value in report["figures"].items())
        parts.append(f"### {report['scenario']}\n\n| figure | value |\n| --- | --- |\n{figures}\n")
    return "\n".join(parts)
