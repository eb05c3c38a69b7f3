"""What a chart shows: a rate and its counts, at a time or of a group."""

from collections.abc import Iterable

from msgspec import Struct

from otpconv.rates.row import RateRow


class Point(Struct, frozen=True):
    """One point of a chart.

    Attributes:
        start: of its step, ms; None without time.
        rate: the expected rate, or else the rate so far, 0 to 1; None where nothing was requested, or all of
            it may still be verified.
        low, high: the 95 % interval of the rate.
        before: the rate it is compared with.
        requested, verified, pending: messages.
        group: the name of its group.
        unfinished: whether its step is still going on, so that its counts still grow.
    """

    start: int | None
    rate: float | None
    low: float | None
    high: float | None
    before: float | None
    requested: int
    verified: int
    pending: int = 0
    group: str = "all"
    unfinished: bool = False


def point_of(row: RateRow, unfinished_from: int) -> Point:
    """Return the point of a row over time.

    Args:
        row: the row.
        unfinished_from: the step of a row that starts later (ms) is still going on.
    """
    now, start = row.now, row.start or 0
    rate, interval = (now.expected or now).rate, (now.expected or now).interval
    if not now.expected and tells_nothing(now.verified, now.pending, now.requested):
        rate = interval = None
    low, high = interval or (None, None)
    return Point(
        start=start,
        rate=rate,
        low=low,
        high=high,
        before=row.before.rate if row.before else None,
        requested=row.requested,
        verified=row.verified,
        pending=now.pending,
        unfinished=start > unfinished_from,
    )


def tells_nothing(verified: int, pending: int, requested: int) -> bool:
    """Return whether a rate of 0 says only that its messages are young, as in the first minute of a step."""
    return not verified and pending >= requested


def rate_range(points: Iterable[Point]) -> tuple[float, float]:
    """Return the lowest and the highest rate that a chart of some points shows; 0 to 1 without any."""
    values = [
        value
        for point in points
        for value in (point.low, point.high, point.rate, point.before)
        if value is not None
    ]
    return min(values, default=0.0), max(values, default=1.0)
