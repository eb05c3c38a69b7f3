"""What a dashboard's URL says: all that decides what is seen, so that a link shows the same to others."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from otpconv.errors import InvalidRequest
from otpconv.rates import RateQuery, parse_query
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS

PATH: Final = "/dashboard"
#: Windows that end now: their lengths, ms, and what they are compared with unless the URL says otherwise.
WINDOWS: Final = {
    "1h": (HOUR_MS, "day"),
    "6h": (6 * HOUR_MS, "day"),
    "24h": (DAY_MS, "day"),
    "7d": (7 * DAY_MS, "week"),
    "30d": (30 * DAY_MS, "previous"),
}
_WINDOW = "24h"
#: The longest window of a dashboard, days (5 years): its chart has one point per day, in a plot of 1,060 px.
MAX_DAYS: Final = 5 * 366
#: Values of dimensions in a dashboard's filters: each of its links repeats them.
MAX_FILTERS: Final = 50
#: Groups with less than this requested get no row of their own.
_MIN_REQUESTED = "20"
#: By what to split, the first two that are there.
_BY: Final = ("country", "provider", "carrier", "template", "sender", "channel")
_CHOSEN: Final = ("start", "end", "by", "compare", "level", "min_requested")


class View(Struct, frozen=True):
    """What somebody looks at.

    Attributes:
        window: a key of `WINDOWS`, which ends now; None for fixed times.
        filters: dimensions and the values they may have, in the order of the dimensions.
        chosen: the other parameters that the URL holds.
        query: the question about the groups.
    """

    window: str | None
    filters: tuple[tuple[str, str], ...]
    chosen: dict[str, str]
    query: RateQuery

    def url(self, path: str = PATH, /, **changes: str | None) -> str:
        """Return the URL of this view, or of another one: parameters replaced, or taken out by None."""
        window = {"window": self.window} if self.window and self.window != _WINDOW else {}
        kept = [*window.items(), *self.chosen.items(), *self.filters]
        given = [(name, value) for name, value in kept if name not in changes]
        query = urlencode(given + [(name, value) for name, value in changes.items() if value is not None])
        return f"{path}?{query}" if query else path

    def windowed(self, window: str) -> str:
        """Return the URL of this view of a window of `WINDOWS`."""
        return self.url(window=None if window == _WINDOW else window, start=None, end=None, compare=None)

    def into(self, dimensions: Iterable[str], values: Iterable[str]) -> str:
        """Return the URL of this view with these values only, split by what is left to split by."""
        return self.url(by=None, **dict(zip(dimensions, values, strict=True)))

    def without(self, dimension: str) -> str:
        """Return the URL of this view without the filter of a dimension."""
        return self.url(by=None, **{dimension: None})

    def fixed(self) -> str:
        """Return the URL of this view at the times it has now."""
        return self.url(**self._times())

    def everything(self) -> str:
        """Return the URL of this view without any filter."""
        return self.url(by=None, **dict.fromkeys(DIMENSIONS))

    def picture(self, dark: int, narrow: int) -> str:
        """Return the URL of the chart at the times the view has now, for a dark or a narrow screen."""
        looks = {name: "1" for name, wanted in (("dark", dark), ("narrow", narrow)) if wanted}
        return self.url(f"{PATH}/chart.svg", **self._times(), **looks)

    def all(self, dimension: str) -> str:
        """Return the URL of this view, split by one dimension."""
        return self.url(by=dimension)

    def split(self, dimensions: Sequence[str]) -> "View":
        """Return this view split by the first two of these, unless the URL says by what."""
        if "by" in self.chosen or not dimensions:
            return self
        names = [name for name in _BY if name in dimensions][:2]
        return replace(self, query=replace(self.query, by=tuple(names)))

    def csv(self) -> str:
        """Return the URL of what is seen, at the times the view has now, as CSV."""
        return self.url(f"{PATH}/rates.csv", **self._times(), by=",".join(self.query.by))

    def open_dimensions(self) -> list[str]:
        """Return the dimensions without a filter."""
        return [name for name in DIMENSIONS if name not in dict(self.filters)]

    def of(self, by: tuple[str, ...], interval: str | None = None) -> RateQuery:
        """Return the question of this view, split otherwise."""
        return replace(self.query, by=by, interval=interval, order=None, top=None, min_requested=0)

    def _times(self) -> dict[str, str | None]:
        query = self.query
        return {
            "window": None,
            "start": str(query.start),
            "end": str(query.end),
            "compare": query.compare,
        }


def parse_view(parameters: Iterable[tuple[str, str]], now: int) -> View:
    """Make a view of the parameters of a URL.

    Args:
        parameters: names and values, those of `/v1/rates` and `window`. Empty ones, as of a form, count as
            absent; but a dimension's means "not told".
        now: the time now, ms.

    Raises:
        InvalidRequest: a parameter is unknown or malformed.
    """
    given = [(name, value.strip()) for name, value in parameters]
    given = [(name, value) for name, value in given if value or name in DIMENSIONS]
    filters = [each for each in given if each[0] in DIMENSIONS]
    others = [each for each in given if each[0] not in DIMENSIONS]
    names = [name for name, _ in others]
    if not set(names) <= {"window", *_CHOSEN} or len(set(names)) < len(names):
        raise InvalidRequest(
            f"A dashboard takes window, {', '.join(_CHOSEN)}, each once, and {', '.join(DIMENSIONS)}."
        )
    chosen = dict(others)
    window = chosen.pop("window", None if {"start", "end"} & chosen.keys() else _WINDOW)
    if window is not None and (window not in WINDOWS or {"start", "end"} & chosen.keys()):
        raise InvalidRequest(f"window is one of {', '.join(WINDOWS)}, or start and end are given instead.")
    length, compare = WINDOWS[window] if window else (0, "previous")
    start = now - length
    if length > HOUR_MS:
        start -= start % HOUR_MS  # rollups by the hour are quicker to sum than those by the minute
    times = {"start": str(start), "end": str(now)} if window else {}
    by = _by({name for name, _ in filters})
    asked = {"by": by, "compare": compare, "min_requested": _MIN_REQUESTED, **times, **chosen}
    query = parse_query([*asked.items(), *filters], now)
    if query.end - query.start > MAX_DAYS * DAY_MS:
        raise InvalidRequest(
            f"A dashboard shows at most {MAX_DAYS:,} days (5 years); choose a later start, or use /v1/rates."
        )
    if len(filters) > MAX_FILTERS:
        raise InvalidRequest(f"A dashboard filters by at most {MAX_FILTERS} values; use /v1/rates for more.")
    return View(window, tuple(sorted(filters, key=lambda each: DIMENSIONS.index(each[0]))), chosen, query)


def _by(filters: Collection[str]) -> str:
    """Return what to split by: a route is a country and a provider; in there, by what is left."""
    return ",".join([name for name in _BY if name not in filters][:2]) or "country"
