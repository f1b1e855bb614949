"""The traffic: where everybody is at a time.

A street runs along +y, right-hand traffic, x to the right, metres. Every position is a function of seed and time
alone: nothing is integrated, so a frame does not depend on those before it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

EGO_SPEED_M_S = 7.0
LANE_X = 1.75
PARKED_X = 4.75
KERB_X = 6.0
SIDEWALK_X = 7.8
FACADE_X = 11.0
# How far ahead and behind actors exist.
HORIZON_M = 75.0
CROSSING_EVERY_M = 60.0

# One round of a pedestrian's gait, and into how many poses it is cut.
GAIT_S = 1.2
GAIT_POSES = 24

CARS = ("lada", "130", "ferra", "beetle")
PAINTS = ("red", "white", "silver", "blue", "black", "green", "yellow")


@dataclass(frozen=True)
class Actor:
    """A thing with ground truth at one moment. Heading in degrees from +y to the left."""

    key: str
    model: str
    # A vehicle's paint, a pedestrian's pose in the gait.
    variant: str
    x: float
    y: float
    heading: float = 0.0


class World:
    """Traffic of a seed."""

    def __init__(self, seed: int, density: float = 1.0) -> None:
        """`density` scales how many places are taken; 0 is an empty street."""
        self._seed = seed
        self._density = density

    def ego_y(self, time_s: float) -> float:
        return EGO_SPEED_M_S * time_s

    def actors(self, time_s: float) -> list[Actor]:
        """All actors within the horizon of the ego, in an order that does not change."""
        ego = self.ego_y(time_s)
        found = [
            *self._parked(ego),
            *self._lane(ego, time_s, "ahead", LANE_X, EGO_SPEED_M_S, 21.0, 0.8),
            *self._lane(ego, time_s, "oncoming", -LANE_X, -8.0, 19.0, 0.75),
            *self._walkers(ego, time_s),
            *self._lights(ego),
        ]
        return [actor for actor in found if abs(actor.y - ego) <= HORIZON_M]

    def chance(self, *what: object) -> float:
        """A number in [0, 1) that belongs to this seed and these words."""
        text = ":".join(str(word) for word in (self._seed, *what))
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64

    def _taken(self, share: float, *what: object) -> bool:
        return self.chance("taken", *what) < share * self._density

    def _pick(self, choices: tuple[str, ...], *what: object) -> str:
        return choices[int(self.chance("pick", *what) * len(choices))]

    def _vehicle(self, key: str) -> tuple[str, str]:
        """Model and paint; one vehicle in five is a truck."""
        model = "truck" if self.chance("truck", key) < 0.2 else self._pick(CARS, "model", key)
        return model, self._pick(PAINTS, "paint", key)

    def _parked(self, ego: float) -> Iterator[Actor]:
        pitch = 7.0
        for slot in places(ego, pitch):
            for side in (-1, 1):
                key = f"parked{side:+d}:{slot}"
                near_crossing = slot * pitch % CROSSING_EVERY_M < 2 * pitch
                if near_crossing or not self._taken(0.45, key):
                    continue
                y = slot * pitch + 0.8 * (self.chance("along", key) - 0.5)
                yield Actor(key, *self._vehicle(key), side * PARKED_X, y, 0.0 if side > 0 else 180.0)

    def _lane(
        self, ego: float, time_s: float, name: str, x: float, speed: float, pitch: float, share: float
    ) -> Iterator[Actor]:
        shift = speed * time_s
        for slot in places(ego - shift, pitch):
            key = f"{name}:{slot}"
            if not self._taken(share, key):
                continue
            # Swings by less than half of what is between two, so nobody runs into anybody.
            swing = 2.5 * math.sin(2 * math.pi * (time_s / 17.0 + self.chance("phase", key)))
            y = slot * pitch + 4.0 * self.chance("along", key) + swing + shift
            # The ego's own place, and a gap before it.
            if name == "ahead" and -9.0 < y - ego < 9.0:
                continue
            yield Actor(key, *self._vehicle(key), x, y, 0.0 if speed > 0 else 180.0)

    def _walkers(self, ego: float, time_s: float) -> Iterator[Actor]:
        pitch = 6.0
        for side in (-1, 1):
            for way in (-1, 1):
                speed = 1.2 * way
                for slot in places(ego - speed * time_s, pitch):
                    key = f"walker{side:+d}{way:+d}:{slot}"
                    if not self._taken(0.4, key):
                        continue
                    x = side * (SIDEWALK_X + 0.55 * way + 0.5 * (self.chance("across", key) - 0.5))
                    y = slot * pitch + 3.0 * self.chance("along", key) + speed * time_s
                    gait = time_s / GAIT_S + self.chance("gait", key)
                    yield Actor(key, "pedestrian", str(int(gait % 1 * GAIT_POSES)), x, y, 0.0 if way > 0 else 180.0)

    def _lights(self, ego: float) -> Iterator[Actor]:
        for slot in places(ego, CROSSING_EVERY_M):
            y = slot * CROSSING_EVERY_M
            # Green in time for the ego, which does not stop.
            colour = "green" if -5.0 < y - ego < 45.0 else "red"
            for side in (-1, 1):
                yield Actor(f"light{side:+d}:{slot}", f"light_{colour}", "", side * (KERB_X + 0.35), y)


def places(centre: float, pitch: float) -> range:
    """Indices of places, `pitch` metres apart, within the horizon."""
    reach = HORIZON_M + 2 * pitch
    return range(math.floor((centre - reach) / pitch), math.ceil((centre + reach) / pitch) + 1)
