"""The bridge's parameters: names, defaults, and what is wrong with a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .camera import MOUNTS, Camera
from .truth import SMALL_OBJECTS, Limits
from .weather import Schedule, check_weather, parse_schedule


@dataclass(frozen=True)
class Rule:
    """One parameter. `check` raises ValueError for a value that cannot be used."""

    default: Any
    live: bool
    check: Callable[[Any], object]
    meaning: str


def number(low: float, high: float) -> Callable[[float], float]:
    """A check of a range, both ends included."""

    def check(value: float) -> float:
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(f"expected {low} … {high}, found {value}")
        return value

    return check


def check_cameras(names: list[str]) -> list[str]:
    if not names:
        raise ValueError(f"expected at least one camera ({', '.join(MOUNTS)}), found none")
    for name in names:
        if name not in MOUNTS:
            raise ValueError(f"expected cameras out of {', '.join(MOUNTS)}, found '{name}'")
    if len(set(names)) != len(names):
        raise ValueError(f"expected each camera once, found {', '.join(names)}")
    return names


def check_small(value: str) -> str:
    if value not in SMALL_OBJECTS:
        raise ValueError(f"expected {' or '.join(SMALL_OBJECTS)}, found '{value}'")
    return value


RULES: dict[str, Rule] = {
    "cameras": Rule(["front"], False, check_cameras, "Cameras of the rig, by place."),
    "seed": Rule(1, False, number(0, 2**31 - 1), "Traffic, street and noise; same seed, same frames."),
    "weather": Rule("clear", True, check_weather, "Weather and light, while there is no schedule."),
    "schedule": Rule([], True, parse_schedule, "Weathers one after the other, as weather:seconds. Empty: `weather`."),
    "rate": Rule(10.0, False, number(0.1, 100.0), "Frames per simulated second."),
    "duration": Rule(0.0, False, number(0.0, 86400.0), "Simulated seconds after which the bridge ends; 0: never."),
    "pace": Rule(1.0, True, number(0.0, 100.0), "Simulated seconds per second at most; 0: as fast as it goes."),
    "width": Rule(640, False, number(64, 4096), "Of the images, pixels."),
    "height": Rule(384, False, number(64, 4096), "Of the images, pixels."),
    "fov": Rule(70.0, False, number(10.0, 140.0), "Horizontal field of view, degrees."),
    "density": Rule(1.0, False, number(0.0, 1.2), "How much traffic there is; 0: none."),
    "min_height_px": Rule(16, True, number(1, 4096), "Lower objects count as small."),
    "min_visibility": Rule(0.3, True, number(0.0, 1.0), "Objects of which less is seen count as small."),
    "small_objects": Rule("omit", True, check_small, "omit: no ground truth. mark: ground truth of class `ignored`."),
    "subscribers": Rule(0, False, number(0, 100), "Subscriptions of each image topic to wait for before starting."),
}


class SettingError(ValueError):
    """A parameter that cannot be used, by name."""


def check(name: str, value: Any) -> None:
    """SettingError unless the parameter exists, the value has its type and can be used."""
    if name not in RULES:
        raise SettingError(f"{name}: no such parameter; there are {', '.join(RULES)}")
    rule = RULES[name]
    wanted = type(rule.default)
    value = list(value) if wanted is list and isinstance(value, list | tuple) else value
    if type(value) is not wanted or (wanted is list and not all(isinstance(entry, str) for entry in value)):
        raise SettingError(f"{name}: expected {'strings' if wanted is list else wanted.__name__}, found {value!r}")
    try:
        rule.check(value)
    except ValueError as error:
        raise SettingError(f"{name}: {error}") from None


@dataclass(frozen=True)
class Settings:
    """All parameters, checked."""

    cameras: list[Camera]
    seed: int
    weather: str
    schedule: Schedule | None
    rate: float
    duration: float
    pace: float
    density: float
    limits: Limits
    subscribers: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """From parameters by name; SettingError names the first that cannot be used."""
        for name, value in values.items():
            check(name, value)
        return cls(
            [Camera(name, values["width"], values["height"], values["fov"]) for name in values["cameras"]],
            values["seed"],
            values["weather"],
            parse_schedule(list(values["schedule"])),
            values["rate"],
            values["duration"],
            values["pace"],
            values["density"],
            Limits(values["min_height_px"], values["min_visibility"], values["small_objects"]),
            values["subscribers"],
        )

    def weather_at(self, time_s: float) -> str:
        return self.schedule.at(time_s) if self.schedule else self.weather
