"""Weather and light of the scene, and schedules of them.

A weather is rendered: light, sky, fog between camera and surface, wet road, rain before the lens. Nothing here is
shared with Roadproof's corruptions, which change finished images; so one can be held against the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# The stamp of the drive's first frame: simulated time does not begin at 0, which means "not stamped".
START_NS = 1_000_000_000

Colour = tuple[float, float, float]

# Koschmieder's law: the meteorological optical range is where contrast has fallen to 5 % (WMO-No. 8).
CONTRAST_AT_VISIBILITY = 0.05


@dataclass(frozen=True)
class Weather:
    """Light and air; colours are linear RGB, 1 being a white surface in full daylight.

    Angles are in degrees: the sun's azimuth is counted from the direction of travel to the left.
    """

    sun: Colour
    sun_elevation: float
    sun_azimuth: float
    ambient: Colour
    sky: Colour
    horizon: Colour
    visibility_m: float
    # Share of the sky that a wet road mirrors [0, 1]; how many streaks cover the lens [0, 1].
    wetness: float = 0.0
    rain: float = 0.0
    # Brightness of the ego's headlights and of windows and lamps around it.
    headlights: float = 0.0
    lamps: float = 0.0
    # Strength of the veil that a sun in the picture lays over it.
    veil: float = 0.0
    # Standard deviation of the sensor's noise, in grey levels: a dark scene is amplified more.
    noise: float = 1.0

    @property
    def extinction_per_m(self) -> float:
        """Extinction coefficient of the air."""
        return -math.log(CONTRAST_AT_VISIBILITY) / self.visibility_m

    @property
    def to_sun(self) -> Colour:
        """Unit vector to the sun; x is right of the direction of travel, y along it, z up."""
        elevation, azimuth = math.radians(self.sun_elevation), math.radians(self.sun_azimuth)
        return (
            -math.sin(azimuth) * math.cos(elevation),
            math.cos(azimuth) * math.cos(elevation),
            math.sin(elevation),
        )


WEATHERS: dict[str, Weather] = {
    "clear": Weather(
        sun=(1.9, 1.8, 1.6),
        sun_elevation=48,
        sun_azimuth=140,
        ambient=(0.52, 0.58, 0.68),
        sky=(0.16, 0.36, 0.75),
        horizon=(0.62, 0.74, 0.88),
        visibility_m=3000,
    ),
    "overcast": Weather(
        sun=(0.25, 0.25, 0.25),
        sun_elevation=60,
        sun_azimuth=140,
        ambient=(0.72, 0.74, 0.78),
        sky=(0.50, 0.53, 0.57),
        horizon=(0.68, 0.70, 0.72),
        visibility_m=1500,
    ),
    "rain": Weather(
        sun=(0.06, 0.06, 0.06),
        sun_elevation=60,
        sun_azimuth=140,
        ambient=(0.34, 0.36, 0.40),
        sky=(0.24, 0.26, 0.29),
        horizon=(0.34, 0.36, 0.39),
        visibility_m=220,
        wetness=0.55,
        rain=0.75,
        headlights=0.3,
        lamps=0.5,
        noise=2.0,
    ),
    "fog": Weather(
        sun=(0.05, 0.05, 0.05),
        sun_elevation=60,
        sun_azimuth=140,
        ambient=(0.60, 0.61, 0.63),
        sky=(0.62, 0.63, 0.65),
        horizon=(0.62, 0.63, 0.65),
        visibility_m=40,
        wetness=0.15,
        headlights=0.3,
        lamps=0.5,
        noise=1.5,
    ),
    "night": Weather(
        sun=(0.004, 0.005, 0.008),
        sun_elevation=35,
        sun_azimuth=60,
        ambient=(0.012, 0.013, 0.018),
        sky=(0.003, 0.004, 0.008),
        horizon=(0.012, 0.012, 0.016),
        visibility_m=800,
        headlights=1.6,
        lamps=1.0,
        noise=5.0,
    ),
    "glare": Weather(
        sun=(2.2, 1.7, 1.1),
        sun_elevation=9,
        sun_azimuth=4,
        ambient=(0.30, 0.30, 0.34),
        sky=(0.42, 0.48, 0.60),
        horizon=(1.15, 0.95, 0.68),
        visibility_m=700,
        wetness=0.35,
        veil=1.0,
    ),
}


@dataclass(frozen=True)
class Schedule:
    """Weathers one after the other; after the last one it starts over."""

    steps: tuple[tuple[str, float], ...]

    @property
    def length_s(self) -> float:
        return sum(seconds for _, seconds in self.steps)

    def at(self, seconds: float) -> str:
        """The weather at a time since the start."""
        left = seconds % self.length_s
        for name, length in self.steps:
            if left < length:
                return name
            left -= length
        return self.steps[-1][0]


def check_weather(name: str) -> str:
    """The name, if there is such a weather; ValueError otherwise."""
    if name not in WEATHERS:
        raise ValueError(f"expected a weather ({', '.join(WEATHERS)}), found '{name}'")
    return name


def parse_schedule(entries: list[str]) -> Schedule | None:
    """A schedule from entries like `fog:10`, seconds being simulated ones; None without entries."""
    steps = []
    for entry in entries:
        name, colon, length = entry.partition(":")
        try:
            seconds = float(length)
        except ValueError:
            seconds = math.nan
        if not colon or not math.isfinite(seconds) or seconds <= 0:
            raise ValueError(f"expected weather:seconds, such as fog:10, found '{entry}'")
        steps.append((check_weather(name.strip()), seconds))
    return Schedule(tuple(steps)) if steps else None
