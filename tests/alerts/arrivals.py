"""Simulated reports of one access key: when they happened and when they arrived, with rhythm and faults."""

from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from alerts.minutes import BEGIN
from otpconv.alerts.arriving import ArrivalFacts, Arriving, What
from otpconv.storage.alerts.contract import Ended, Found
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS

Times = npt.NDArray[np.float64]
KEY = "app"
#: How long a world lasts.
DAYS = 4
#: The detector gets at most so many reports of a minute, as from a sample.
SAMPLED = 40
#: Minutes after the last report in which alerts can still end.
AFTER = 120


class Reports(Struct):
    """Reports with their own time, and the time at which they arrived, ms."""

    happened: Times
    arrived: Times

    def __add__(self, other: "Reports") -> "Reports":
        return Reports(
            np.concatenate([self.happened, other.happened]), np.concatenate([self.arrived, other.arrived])
        )


def live(random: np.random.Generator, days: float, a_minute: float) -> Reports:
    """Return reports that arrive in time: few at night, and fewer at the weekend."""
    minutes = np.arange(int(days * 24 * 60))
    hour = minutes / 60 % 24
    rhythm = 0.03 + 1.9 * np.clip(np.sin((hour - 6) * np.pi / 17), 0, None)
    weekend = np.where((minutes // (24 * 60) + 4) % 7 >= 5, random.uniform(0.05, 0.6), 1.0)
    counts = random.poisson(a_minute * rhythm * weekend)
    happened = np.sort(BEGIN + (np.repeat(minutes, counts) + random.random(counts.sum())) * MINUTE_MS)
    return Reports(happened, happened + random.exponential(800, len(happened)))


def rate(reports: Reports, start: float) -> float:
    """Return the greatest rate of a quarter of an hour from a time on, reports in a millisecond."""
    edges = np.arange(start, BEGIN + DAYS * DAY_MS + HOUR_MS, 15 * MINUTE_MS)
    return max(1, int(np.diff(np.searchsorted(reports.happened, edges)).max())) / (15 * MINUTE_MS)


def queued(
    reports: Reports, start: float, until: float, a_ms: float, *, workers: int = 1, healed: float = 0.0
) -> Reports:
    """Return reports that arrive by a queue from `start` on, which stands still until a time.

    Once it is empty after that, and healed, they arrive in time again.

    Args:
        reports: in order.
        start: when the queue begins, ms.
        until: when it delivers again, ms.
        a_ms: reports that it delivers in a millisecond.
        healed: when it becomes as fast as can be, ms; 0: it always has this rate.
        workers: processes with a queue of their own; one is delivered after the other.
    """
    first = int(np.searchsorted(reports.happened, start))
    happened = reports.happened[first:]
    arrived = np.empty_like(happened)
    waiting: list[tuple[int, int]] = []
    at, place = until, 0
    for _ in range(len(happened)):
        if not waiting and happened[place] > at:
            if at > max(until, healed):
                arrived[place:] = reports.arrived[first + place :]
                break
            at = happened[place]
        while place < len(happened) and happened[place] <= at:
            heappush(waiting, (place % workers, place))
            place += 1
        at += 0.1 if 0 < healed < at else 1 / a_ms
        arrived[heappop(waiting)[1]] = at
    return Reports(reports.happened, np.concatenate([reports.arrived[:first], arrived]))


def imported(
    random: np.random.Generator, start: float, old_ms: float, days: float, minutes: float
) -> Reports:
    """Return an import, in order, of reports that are old.

    Args:
        random: chooses the times.
        start: when it begins, ms.
        old_ms: how old its newest report is at the start, ms.
        days: how long a time it covers, in days.
        minutes: how long it takes.
    """
    many = int(minutes * random.uniform(50, 2_000))
    happened = np.sort(start - old_ms - random.random(many) * days * DAY_MS)
    return Reports(happened, start + np.linspace(0, minutes * MINUTE_MS, many))


def _daily(random: np.random.Generator, _: float) -> Reports:
    """Return what a job brings each night, and nothing else: the last day."""
    minutes, old_ms = random.uniform(1, 60), random.uniform(0, 3) * HOUR_MS
    reports = Reports(np.empty(0), np.empty(0))
    for day in range(1, 6):
        start = BEGIN + day * DAY_MS + random.uniform(1, 4) * HOUR_MS
        reports += imported(random, start, old_ms, 1, minutes * random.uniform(0.7, 1.3))
    return reports


def _with_imports(random: np.random.Generator, a_minute: float) -> Reports:
    reports = live(random, DAYS, a_minute)
    for _ in range(random.integers(1, 6)):
        start, old_ms = BEGIN + random.uniform(0.5, DAYS) * DAY_MS, random.choice([0, 1, 60])
        days, minutes = random.uniform(0.1, 30), random.uniform(0.5, 300)
        reports += imported(random, start, old_ms * random.random() * DAY_MS, days, minutes)
    return reports


def _backfilled(random: np.random.Generator, a_minute: float) -> Reports:
    """Return an import of the past, then reports in time."""
    reports = live(random, DAYS, a_minute)
    later = reports.happened > BEGIN + 0.6 * DAY_MS
    past = imported(random, BEGIN, random.random() * DAY_MS, 30, random.uniform(10, 300))
    return past + Reports(reports.happened[later], reports.arrived[later])


def _with_wrong_clock(random: np.random.Generator, a_minute: float) -> Reports:
    reports = live(random, DAYS, a_minute)
    return Reports(reports.happened - random.uniform(-1, 15) * MINUTE_MS, reports.arrived)


def _with_clocks(random: np.random.Generator, a_minute: float) -> Reports:
    """Return the reports of several machines, whose clocks differ by some minutes."""
    reports, many = live(random, DAYS, a_minute), int(random.integers(2, 6))
    wrong = random.uniform(-1, 4, many) * MINUTE_MS
    return Reports(reports.happened - wrong[random.integers(0, many, len(reports.happened))], reports.arrived)


def _by_job(random: np.random.Generator, a_minute: float) -> Reports:
    """Return reports that a job delivers every 1 to 60 minutes."""
    reports, every = live(random, DAYS, a_minute), 10 ** random.uniform(0, 1.8) * MINUTE_MS
    return Reports(reports.happened, np.ceil(reports.arrived / every) * every)


def _with_short_outages(random: np.random.Generator, a_minute: float) -> Reports:
    """Return reports of which some wait for up to ten minutes and then come within one."""
    reports = live(random, DAYS, a_minute)
    for day in range(DAYS):
        start, length = BEGIN + (day + random.random()) * DAY_MS, random.uniform(1, 10) * MINUTE_MS
        a_ms = max(3, rate(reports, start) * length) / 45_000
        reports = queued(reports, start, start + length, a_ms)
    return reports


def _with_pause(random: np.random.Generator, a_minute: float) -> Reports:
    """Return the reports of an application that does nothing for some time."""
    reports, start = live(random, DAYS, a_minute), BEGIN + random.uniform(1.5, 3) * DAY_MS
    end = start + random.uniform(0.1, 12) * HOUR_MS
    here = (reports.happened < start) | (reports.happened > end)
    return Reports(reports.happened[here], reports.arrived[here])


#: Nothing is behind in these; by name, what makes reports of about so many in a minute.
HEALTHY: Mapping[str, Callable[[np.random.Generator, float], Reports]] = {
    "in time": lambda random, a_minute: live(random, DAYS, a_minute),
    "a few an hour": lambda random, _: live(random, DAYS, random.uniform(1, 12) / 60),
    "with imports": _with_imports,
    "imports alone": _daily,
    "an import, then in time": _backfilled,
    "a wrong clock": _with_wrong_clock,
    "several clocks": _with_clocks,
    "by a job": _by_job,
    "short outages": _with_short_outages,
    "a pause": _with_pause,
}


class Behind(Struct):
    """Reports of which some come late.

    Attributes:
        reports: all of them.
        spool: whether a spool was cut off; otherwise a consumer falls behind.
        first, last: when late ones came first and last, ms.
        lasted: whether they came for five minutes or more, and in most minutes.
    """

    reports: Reports
    spool: bool
    first: float
    last: float
    lasted: bool


def behind(seed: int) -> Behind:
    """Return a spool that was cut off for 10 minutes to 6 hours, or a consumer that falls behind."""
    random = np.random.default_rng(seed)
    reports = live(random, DAYS, 10 ** random.uniform(0.3, 2))
    start = BEGIN + random.uniform(1.5, 3) * DAY_MS
    if seed % 3:
        until = start + 10 ** random.uniform(1, np.log10(360)) * MINUTE_MS
        a_ms = 10 ** random.uniform(np.log10(1.2), np.log10(20)) * rate(reports, start)
        workers = 1 if seed % 3 == 1 else int(random.integers(2, 9))
        reports = queued(reports, start, until, a_ms, workers=workers)
    else:
        start = start // DAY_MS * DAY_MS + random.uniform(8, 14) * HOUR_MS
        healed = start + random.uniform(1, 6) * HOUR_MS
        first, last = np.searchsorted(reports.happened, [start, healed])
        a_ms = random.uniform(0.5, 0.95) * max(1, int(last - first)) / (healed - start)
        reports = queued(reports, start, start, a_ms, healed=healed)
    late = np.sort(reports.arrived[reports.arrived - reports.happened >= 5 * MINUTE_MS])
    minutes = np.unique(late // MINUTE_MS)
    lasted = len(minutes) >= 5 and len(late) >= 12 and float(np.median(np.diff(minutes))) <= 3
    return Behind(
        reports, bool(seed % 3), late[0] if len(late) else 0.0, late[-1] if len(late) else 0.0, lasted
    )


class Seen(Struct):
    """What the detector said.

    Attributes:
        found: the times at which it found something first, ms.
        ended: when that ended, ms.
        last: the last finding.
    """

    found: list[int]
    ended: list[int]
    last: Found | None = None


def watched(reports: Reports, *, restart: bool = False, what: What = "message") -> Seen:
    """Return what the detector says of reports, by the minute, with a restart before each if wanted."""
    order = np.argsort(reports.arrived, kind="stable")
    arrived = reports.arrived[order].astype(np.int64)
    happened = reports.happened[order].astype(np.int64)
    facts: list[ArrivalFacts] = []
    detector, seen = Arriving(lambda: facts), Seen([], [])
    parts: dict[str, bytes] = {}
    first = int(arrived[0]) // MINUTE_MS
    minutes = range(first, int(arrived[-1]) // MINUTE_MS + AFTER)
    edges = np.searchsorted(arrived, np.array([*minutes, minutes[-1] + 1]) * MINUTE_MS)
    for minute, (begin, end) in zip(minutes, pairwise(edges), strict=True):
        if restart:
            detector = Arriving(lambda: facts)
            detector.recall(parts)
        some = slice(begin, end, -(-int(end - begin) // SAMPLED) or None)
        pairs = list(zip(happened[some].tolist(), arrived[some].tolist(), strict=True))
        facts[:] = [ArrivalFacts(KEY, what, pairs, max(1.0, (end - begin) / SAMPLED))] if pairs else []
        now = (minute + 1) * MINUTE_MS
        for change in detector.look(now, None):  # type: ignore[arg-type] - it asks for no counts
            if isinstance(change, Ended):
                seen.ended.append(now)
            else:
                seen.last = change
                if len(seen.found) == len(seen.ended):
                    seen.found.append(now)
        if restart:
            parts |= detector.memory()
    return seen
