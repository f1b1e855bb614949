"""Runs soak and chaos scenarios, and tells in JSON what came of them.

    $ROADPROOF_PYTHON -m tests.soak overload --minutes 30
    $ROADPROOF_PYTHON -m tests.soak all --minutes 30
    $ROADPROOF_PYTHON -m tests.soak table -o soak-output

`all` gives `overload` the minutes and the others a share of them (a record run of 30 takes about 45 in all) and writes
tables.md beside the reports; `table` prints that of reports that are there. Exit status: 0 everything held or was
skipped, 1 something did not hold, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

from .processes import SHARED_MEMORY, orphaned_segments
from .report import Report, SkipScenario, markdown
from .scenarios import SCENARIOS, Scenario
from .stage import Options


def run(scenario: Scenario, options: Options) -> Report:
    """Plays one scenario. What breaks it is a failed check, so that the others of a night still run."""
    report = Report(scenario.name, options.seed, options.seconds)
    before = orphaned_segments()
    try:
        scenario.play(options, report)
    except SkipScenario as reason:
        report.skipped = str(reason)
    except Exception as error:
        traceback.print_exc()
        report.check("the scenario comes to its end", False, f"{type(error).__name__}: {error}", "no exception")
    # A process that is killed cannot clear up after itself, and these were killed here.
    for name in orphaned_segments().keys() - before.keys():
        (SHARED_MEMORY / name).unlink(missing_ok=True)
    return report


def parse_arguments() -> argparse.Namespace:
    scenarios = "\n".join(f"  {name:<20}{scenario.summary}" for name, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="tests.soak",
        description=__doc__,
        epilog=f"scenarios:\n{scenarios}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", choices=[*SCENARIOS, "all", "table"], metavar="SCENARIO", help="see below")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("soak-output"), metavar="FOLDER", help="of the reports (soak-output)"
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (5)")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is random (1)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON as well")
    parser.add_argument(
        "--no-pin", action="store_true", help="do not give the last CPU to the load and the others to the node"
    )
    parser.add_argument("--untimed", action="store_true", help="let checks that depend on the machine's speed not fail")
    arguments = parser.parse_args()
    if not 0 < arguments.minutes <= 60 * 24 * 7:
        parser.error(f"expected --minutes above 0 and at most a week, found {arguments.minutes}")
    return arguments


def table(folder: Path) -> int:
    """Prints the reports of a folder as Markdown, in the order of the scenarios, and keeps it in tables.md."""
    found = [folder / f"{name}.json" for name in SCENARIOS if (folder / f"{name}.json").is_file()]
    if not found:
        print(f"tests.soak: no reports in {folder}; run a scenario first", file=sys.stderr)
        return 2
    tables = markdown([json.loads(path.read_text(encoding="utf-8")) for path in found])
    (folder / "tables.md").write_text(tables, encoding="utf-8")
    print(tables)
    return 0


def tell(report: Report, timed: bool) -> None:
    failures = report.failures(timed)
    state = f"skipped: {report.skipped}" if report.skipped else "failed" if failures else "passed"
    print(f"{report.scenario}: {state}", flush=True)
    for check in failures:
        print(f"  {check.name}: expected {check.expected}, found {check.found}", flush=True)


def main() -> int:
    arguments = parse_arguments()
    if arguments.scenario == "table":
        return table(arguments.output)
    if arguments.scenario == "all":
        failed = [run_apart(scenario, arguments) for scenario in SCENARIOS.values()]
        table(arguments.output)
        return int(any(failed))
    pin = not arguments.no_pin and (os.cpu_count() or 1) > 1
    if pin:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    logs = (arguments.output / arguments.scenario).resolve()
    options = Options(60 * arguments.minutes, arguments.seed, logs, pin)
    report = run(SCENARIOS[arguments.scenario], options)
    report.write(arguments.output)
    tell(report, not arguments.untimed)
    if arguments.json:
        print(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    return int(bool(report.failures(not arguments.untimed)))


def run_apart(scenario: Scenario, arguments: argparse.Namespace) -> bool:
    """Plays a scenario for its share of the time in a process of its own; whether anything did not hold.

    Fast DDS looks at the network's interfaces once in a process: one that has talked in one network namespace is not
    heard in another.
    """
    flags = {"--json": arguments.json, "--no-pin": arguments.no_pin, "--untimed": arguments.untimed}
    command = [
        sys.executable, "-m", "tests.soak", scenario.name, "-o", str(arguments.output), "--seed", str(arguments.seed),
        "--minutes", str(arguments.minutes * scenario.share), *(flag for flag, given in flags.items() if given),
    ]  # fmt: skip
    return subprocess.call(command) != 0


if __name__ == "__main__":
    sys.exit(main())
