"""A question about rates: a window of time, how to split it, and which messages. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from zoneinfo import ZoneInfo

from msgspec import Struct

from otpconv.errors import InvalidRequest
from otpconv.storage.contract import DIMENSIONS, HOUR_MS, MINUTE_MS
from otpconv.times import parse_time, parse_zone

#: Intervals by name, and their lengths, ms; `1d` is a calendar day of the question's time zone.
INTERVALS: dict[str, int] = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "1h": HOUR_MS,
    "1d": 24 * HOUR_MS,
}
#: The most slots of an answer, i.e. its window divided by its interval.
MAX_SLOTS = 20_000
#: The longest window, days (100 years): all times since 1970 that a report can have.
MAX_DAYS = 36_525
#: The most values, of all dimensions together, that one question may filter by.
MAX_FILTERS = 500
_DAY_MS = 24 * HOUR_MS
#: What a rate can count, and the name of its denominator.
LEVELS: dict[str, str] = {
    "message": "messages requested",
    "first_attempt": "messages requested as attempt 1",
    "session": "sessions, counted with their first message",
}
#: What a window can be compared with: the day before, the week before, or the time just before it.
COMPARISONS = ("day", "week", "previous")
#: The columns by which rows can be ordered.
ORDERS = (
    *("requested", "verified", "rate", "rate_low", "rate_high", "rate_expected", "pending"),
    *("reported_share", "p50_ms", "p90_ms", "p99_ms", "change", "change_same_mix"),
    *("delivered", "delivered_share", "rate_of_delivered", "cost", "cost_per_verified", "unpriced"),
)
_PARAMETERS = (
    *("start", "end", "interval", "by", "tz", "level", "compare", "top", "order", "min_requested"),
    "without_ranges",
)


class RateQuery(Struct, frozen=True):
    """A question about conversion rates.

    Attributes:
        start: start of the window, ms; it includes messages requested at this time.
        end: end of the window, ms; it excludes messages requested at this time.
        interval: a key of `INTERVALS` to split the window by; None for one row.
        by: dimensions to split by.
        filters: the accepted values of a dimension, by its name; an empty value means "unknown".
        tz: the time zone of `1d`, and of the words in `start` and `end`.
        level: a key of `LEVELS`: the unit to count.
        compare: one of `COMPARISONS`, or None.
        order: one of `ORDERS`, with a minus for the largest first; None: by the values of the groups.
        top: how many groups get a row, the first by `order` or else the largest; None: all.
        min_requested: groups with fewer requested messages in the window get no row of their own.
        without_ranges: whether rows also have their rate without number ranges that look like fraud; the
            window is of whole hours then, since ranges are counted by hour.
    """

    start: int
    end: int
    interval: str | None = None
    by: tuple[str, ...] = ()
    filters: Mapping[str, Collection[str]] = {}
    tz: ZoneInfo = ZoneInfo("UTC")
    level: str = "message"
    compare: str | None = None
    order: str | None = None
    top: int | None = None
    min_requested: int = 0
    without_ranges: bool = False


def parse_query(parameters: Iterable[tuple[str, str]], now: int) -> RateQuery:
    """Parse the parameters of a URL.

    Args:
        parameters: names and values. `start` and `end` default to the 24 hours before `now`; a dimension may
            be repeated.
        now: the time now, ms.

    Raises:
        InvalidRequest: a parameter is unknown or malformed.
    """
    given, filters = _sorted_out(parameters)
    tz = parse_zone(given.get("tz", "UTC"))
    end = parse_time(given["end"], "end", now=now, tz=tz) if "end" in given else now
    start = parse_time(given["start"], "start", now=now, tz=tz) if "start" in given else max(0, end - _DAY_MS)
    if start >= end:
        raise InvalidRequest(f"start ({start}) must be before end ({end}), both in ms UTC.")
    if end - start > MAX_DAYS * _DAY_MS:
        raise InvalidRequest(
            f"The window is {(end - start) // _DAY_MS:,} days long. Use at most {MAX_DAYS:,} days."
        )
    interval = _one_of("interval", given, INTERVALS)
    if interval is not None and (end - start) / INTERVALS[interval] > MAX_SLOTS:
        raise InvalidRequest(
            f"The window has more than {MAX_SLOTS:,} intervals of {interval}."
            " Use a longer interval or a shorter window."
        )
    by = _parse_by(given.get("by", ""))
    if not by and ("top" in given or "min_requested" in given):
        raise InvalidRequest("top and min_requested need groups to choose from. Add by, e.g. by=country.")
    compare = _one_of("compare", given, COMPARISONS)
    if without_ranges := _one_of("without_ranges", given, ("true", "false")) == "true":
        start, end = start // HOUR_MS * HOUR_MS, -(-end // HOUR_MS) * HOUR_MS
    return RateQuery(
        start,
        end,
        interval,
        by,
        filters,
        tz,
        _one_of("level", given, LEVELS) or "message",
        compare,
        _order(given, compared=compare is not None),
        _number("top", given, least=1) if "top" in given else None,
        _number("min_requested", given, least=0) if "min_requested" in given else 0,
        without_ranges,
    )


def _sorted_out(parameters: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Separate the parameters that may be given once from the filters."""
    given: dict[str, str] = {}
    filters: dict[str, set[str]] = {}
    count = 0
    for name, value in parameters:
        if name in DIMENSIONS:
            count += 1
            if count > MAX_FILTERS:
                raise InvalidRequest(f"Too many filters: use at most {MAX_FILTERS} values of dimensions.")
            filters.setdefault(name, set()).add(value)
        elif name not in _PARAMETERS:
            known = ", ".join((*sorted(_PARAMETERS), *DIMENSIONS))
            raise InvalidRequest(f"Unknown parameter {name[:40]!r}. Use {known}.")
        elif name in given:
            raise InvalidRequest(f"{name} is given twice. Give it once.")
        else:
            given[name] = value
    return given, filters


def _one_of(name: str, given: Mapping[str, str], values: Collection[str]) -> str | None:
    value = given.get(name)
    if value is not None and value not in values:
        raise InvalidRequest(f"Invalid {name} {value[:40]!r}. Use {', '.join(values)}, or leave it out.")
    return value


def _order(given: Mapping[str, str], *, compared: bool) -> str | None:
    order = given.get("order")
    if order is not None and order.removeprefix("-") not in ORDERS:
        raise InvalidRequest(
            f"Invalid order {order[:40]!r}. Use {', '.join(ORDERS)}; a minus puts the largest first."
        )
    if order is not None and order.removeprefix("-") in {"change", "change_same_mix"} and not compared:
        raise InvalidRequest(f"order={order} needs a comparison. Add compare, e.g. compare=week.")
    return order


def _number(name: str, given: Mapping[str, str], least: int) -> int:
    text = given[name]
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
        raise InvalidRequest(f"Invalid {name} {text[:40]!r}. Use a whole number, at least {least}.")
    return int(text)


def _parse_by(text: str) -> tuple[str, ...]:
    by = tuple(name.strip() for name in text.split(",") if name.strip())
    if len(set(by)) != len(by) or not set(by) <= set(DIMENSIONS):
        raise InvalidRequest(
            f"Invalid by {text[:80]!r}. Use a comma-separated list of {', '.join(DIMENSIONS)},"
            " each at most once."
        )
    return by
