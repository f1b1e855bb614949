"""When something goes wrong: random, but the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable

from .processes import CameraProcess
from .stage import Event

# Nothing is broken in the last part of a run, so that it shows whether everything came back.
CALM_END_S = 2.0


def moments(chance: random.Random, seconds: float, mean_gap_s: float) -> list[float]:
    """Times from 0 on with exponential gaps between them (a Poisson process), the calm end left out."""
    found, at = [], chance.expovariate(1 / mean_gap_s)
    while at < seconds - CALM_END_S:
        found.append(at)
        at += chance.expovariate(1 / mean_gap_s)
    return found


def camera_faults(
    chance: random.Random, camera: CameraProcess, seconds: float, mean_gap_s: float, note: Callable[[str], None]
) -> list[Event]:
    """The camera is killed and started again, or stopped and let go on, over and over; `note` hears of each."""
    events: list[Event] = []
    free_from = 0.0
    for at in moments(chance, seconds, mean_gap_s):
        if at < free_from:
            continue
        down_s = min(chance.uniform(0.2, 3.0), seconds - CALM_END_S / 2 - at)
        kind = chance.choice(("kill", "stop"))
        begin, end = (camera.kill, camera.start) if kind == "kill" else (camera.stop, camera.go_on)

        def act(do: Callable[[], None], what: str) -> Callable[[], None]:
            def both() -> None:
                do()
                note(what)

            return both

        events += [
            Event(at, f"{kind} {camera.name}", act(begin, kind)),
            Event(at + down_s, f"{camera.name} is back", act(end, f"back from {kind}")),
        ]
        # Time to come back before it is hit again.
        free_from = at + down_s + 2.0
    return events
