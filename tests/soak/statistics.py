"""Figures of a run: percentiles, fairness, and whether something grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

# Fewer blocks than this say nothing about a slope.
LEAST_BLOCKS = 10

Z_975 = 1.959963984540054


def percentiles(samples: Sequence[float] | np.ndarray) -> dict[str, float] | None:
    """p50, p99 (nearest rank) and maximum; None without samples."""
    if len(samples) == 0:
        return None
    p50, p99 = np.percentile(samples, [50, 99], method="inverted_cdf")
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2), "max": round(float(np.max(samples)), 2)}


def jain_index(shares: Sequence[float]) -> float:
    """Fairness from 1/n (one takes all) to 1 (all the same): (sum x)^2 / (n sum x^2).

    Jain, Chiu, Hawe: A quantitative measure of fairness and discrimination, DEC-TR-301, 1984.
    """
    squares = len(shares) * sum(share * share for share in shares)
    return sum(shares) ** 2 / squares if squares else 1.0


def t_quantile_975(freedom: int) -> float:
    """Student's t at 97.5 %: Abramowitz and Stegun, 26.7.5; within 0.002 from 8 degrees of freedom on."""
    z = Z_975
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


@dataclass(frozen=True)
class Slope:
    """A straight line through samples over time: units per second, with its interval of 95 %."""

    per_second: float
    low: float
    high: float
    seconds: float
    blocks: int

    def growth(self) -> tuple[float, float, float]:
        """What the line says was gained over the time that was looked at, with its interval."""
        return self.per_second * self.seconds, self.low * self.seconds, self.high * self.seconds

    def as_json(self) -> dict[str, float]:
        return {name: float(f"{value:.6g}") for name, value in asdict(self).items()}


def slope(times: Sequence[float], samples: Sequence[float], block_s: float) -> Slope | None:
    """The line through the means of blocks of `block_s` seconds; None where there are too few.

    Memory is gained and given back in steps, so neighbouring samples say the same thing twice and a line through all of
    them would claim to be surer than it is. Means of blocks are nearly independent.
    """
    t, y = np.asarray(times, float), np.asarray(samples, float)
    if len(t) == 0:
        return None
    number = ((t - t[0]) // block_s).astype(int)
    numbers = np.unique(number)
    if len(numbers) < LEAST_BLOCKS:
        return None
    x = np.array([t[number == n].mean() for n in numbers])
    means = np.array([y[number == n].mean() for n in numbers])
    centred = x - x.mean()
    spread = float((centred**2).sum())
    per_second = float((centred * means).sum()) / spread
    residuals = means - means.mean() - per_second * centred
    freedom = len(x) - 2
    error = math.sqrt(float((residuals**2).sum()) / freedom / spread)
    margin = t_quantile_975(freedom) * error
    return Slope(per_second, per_second - margin, per_second + margin, float(t[-1] - t[0]), len(x))
