"""The parts that judge: each must find what it is there to find."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from .frames import Look, serialised, stamp_into, stamp_of
from .ledger import COUNTERS, Baseline, Ledger, Terms, imbalance, settle_account
from .report import Report, markdown
from .schedule import moments
from .sent_log import GOOD, MALFORMED, UNDECODABLE, SentLog, SentLogError, SentLogWriter
from .statistics import jain_index, percentiles, slope, t_quantile_975

NOTHING = dict.fromkeys(COUNTERS, 0)


def sent(folder: Path, stamps: list[int]) -> SentLog:
    path = folder / "front.sent"
    writer = SentLogWriter(path)
    for stamp in stamps:
        writer.append(stamp, stamp, 0, GOOD)
    return SentLog.read(path)


def ledger(counters: dict[str, int], stamps: list[int]) -> Ledger:
    book = Ledger("front")
    book.begin_life()
    book.record({**NOTHING, **counters})
    for stamp in stamps:
        book.detected(stamp, stamp, stamp)
    return book


def judged(book: Ledger, log: SentLog, terms: Terms | None = None) -> list[str]:
    report = Report("test", 0, 0)
    settle_account(report, book, log, Baseline(0, 0, NOTHING), terms or Terms())
    return [check.name.removeprefix("front: ") for check in report.failures()]


def test_a_right_account_holds(tmp_path: Path) -> None:
    book = ledger({"received": 4, "processed": 2, "overwritten": 1, "stale": 1}, [1, 3])
    assert judged(book, sent(tmp_path, [1, 2, 3, 4])) == []


@pytest.mark.parametrize(
    ("counters", "stamps", "problem"),
    [
        ({"received": 4, "processed": 2, "overwritten": 1}, [1, 3], "the counters add up"),
        ({"received": 3, "processed": 2, "overwritten": 1}, [1, 3], "every sent frame is counted"),
        ({"received": 4, "processed": 2, "overwritten": 2}, [1], "one message for every processed frame"),
        ({"received": 4, "processed": 2, "overwritten": 2}, [1, 9], "detections are of frames that were sent"),
        ({"received": 4, "processed": 2, "overwritten": 2}, [3, 3], "no frame is answered twice"),
        ({"received": 4, "processed": 2, "overwritten": 2}, [3, 1], "never an older frame after a newer one"),
        ({"received": 4, "processed": 2, "pending": 2}, [1, 3], "nothing is under way at the end"),
    ],
)
def test_a_wrong_account_is_found(counters: dict[str, int], stamps: list[int], problem: str, tmp_path: Path) -> None:
    assert problem in judged(ledger(counters, stamps), sent(tmp_path, [1, 2, 3, 4]))


def test_counters_that_go_back_are_found_within_a_life_only(tmp_path: Path) -> None:
    book = ledger({"received": 2, "processed": 2}, [1, 2])
    book.begin_life()
    book.record({**NOTHING, "received": 1, "processed": 1})
    assert not book.went_back
    book.record({**NOTHING})
    assert book.went_back
    assert imbalance({**NOTHING, "received": 3, "stale": 1}) == 2


def test_a_torn_record_is_left_out_and_rubbish_refused(tmp_path: Path) -> None:
    path = tmp_path / "front.sent"
    log = sent(tmp_path, [1, 2])
    assert (len(log), log.torn_bytes) == (2, 0)
    with path.open("ab") as file:
        file.write(b"\x01" * 7)
    log = SentLog.read(path)
    assert (len(log), log.torn_bytes) == (2, 7)
    with path.open("ab") as file:
        file.write(b"\x01" * 57)
    with pytest.raises(SentLogError, match=r"front\.sent: expected the kinds"):
        SentLog.read(path)
    assert len(SentLog.read(tmp_path / "none")) == 0


def test_stamps_go_into_frames_and_come_out() -> None:
    for look in (
        Look(),
        Look("raw", encoding="mono8"),
        Look(kind=UNDECODABLE),
        Look("raw", encoding="bgr8", kind=MALFORMED),
    ):
        frame = serialised(look.but(width=64, height=48), 0)
        for stamp_ns in (0, 1, 1_700_000_000_123_456_789):
            assert stamp_of(stamp_into(frame, stamp_ns)) == stamp_ns
    assert Look.from_json(Look(depth=3).as_json()) == Look(depth=3)
    with pytest.raises(ValueError, match="found 5 bytes"):
        stamp_of(b"\0\1\0\0\0")


def test_a_leak_is_told_from_noise() -> None:
    noise = np.random.default_rng(1)
    times = np.arange(0, 600, 0.5)
    # Steps up and down, as an allocator makes them.
    steps = np.repeat(noise.normal(0, 4096 * 50, 60), 20) + 2e8
    still = slope(times, steps, 10)
    assert still is not None and still.low < 0 < still.high
    leaking = slope(times, steps + 2000 * times, 10)
    assert leaking is not None and leaking.low > 0
    assert leaking.low < 2000 < leaking.high
    assert leaking.growth()[0] == pytest.approx(leaking.per_second * 599.5)
    assert slope(times[:100], steps[:100], 10) is None
    assert slope([], [], 10) is None


def test_quantiles_of_student_s_t() -> None:
    # Abramowitz and Stegun, table 26.10.
    for freedom, expected in ((8, 2.306), (10, 2.228), (30, 2.042), (120, 1.980)):
        assert t_quantile_975(freedom) == pytest.approx(expected, abs=0.002)


def test_fairness_and_percentiles() -> None:
    assert jain_index([3, 3, 3]) == pytest.approx(1)
    assert jain_index([1, 0, 0, 0]) == pytest.approx(0.25)
    assert percentiles([]) is None
    assert percentiles(list(range(1, 101))) == {"p50": 50, "p99": 99, "max": 100}


def test_chance_repeats_and_leaves_the_end_alone() -> None:
    first, second = (moments(random.Random(5), 60, 2) for _ in range(2))
    assert first == second and len(first) > 5 and max(first) < 58
    assert moments(random.Random(6), 60, 2) != first


def test_a_report_fails_by_its_checks_and_tells_so() -> None:
    report = Report("overload", 1, 10)
    report.check("slow", False, 3, "less", timed=True)
    assert report.failures(timed=False) == [] and report.state() == "failed"
    report.figure("age_ms", {"p50": 1.25})
    table = markdown([report.as_json()])
    assert "| overload | 10 | failed | 1 | slow |" in table
    assert "| age_ms | p50 1.25 |" in table
