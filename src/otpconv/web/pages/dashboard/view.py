"""The view that a dashboard's URL selects, and the URLs of other views. A link shows the same to all."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from otpconv.errors import InvalidRequest
from otpconv.rates import RateQuery, parse_query
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS

DASHBOARD_PATH: Final = "/dashboard"
#: Windows that end now: their lengths, ms, and their default comparisons.
WINDOWS: Final = {
    "1h": (HOUR_MS, "day"),
    "6h": (6 * HOUR_MS, "day"),
    "24h": (DAY_MS, "day"),
    "7d": (7 * DAY_MS, "week"),
    "30d": (30 * DAY_MS, "previous"),
}
_WINDOW = "24h"
#: The longest window of a dashboard, days (5 years): its chart has a point a day, in a plot of 1,060 px.
MAX_VIEW_DAYS: Final = 5 * 366
#: The most values of dimensions that a dashboard may filter by: each of its links repeats them.
MAX_VIEW_FILTERS: Final = 50
#: Groups with fewer requested messages get no row of their own.
_MIN_REQUESTED = "20"
#: The dimensions to split by; a view uses the first two that have several values.
_BY: Final = ("country", "provider", "carrier", "template", "sender", "channel")
_CHOSEN: Final = ("start", "end", "by", "compare", "level", "min_requested")


class View(Struct, frozen=True):
    """A view of the dashboard.

    Attributes:
        window: a key of `WINDOWS`, which ends now; None for fixed times.
        filters: dimensions and their accepted values, in the order of the dimensions.
        chosen: the other parameters of the URL.
        query: the question about the groups.
    """

    window: str | None
    filters: tuple[tuple[str, str], ...]
    chosen: dict[str, str]
    query: RateQuery

    def url(self, path: str = DASHBOARD_PATH, /, **changes: str | None) -> str:
        """Return the URL of this view with some parameters replaced, or removed by None."""
        window = {"window": self.window} if self.window and self.window != _WINDOW else {}
        kept = [*window.items(), *self.chosen.items(), *self.filters]
        given = [(name, value) for name, value in kept if name not in changes]
        query = urlencode(given + [(name, value) for name, value in changes.items() if value is not None])
        return f"{path}?{query}" if query else path

    def windowed(self, window: str) -> str:
        """Return the URL of this view for another window of `WINDOWS`."""
        return self.url(window=None if window == _WINDOW else window, start=None, end=None, compare=None)

    def into(self, dimensions: Iterable[str], values: Iterable[str]) -> str:
        """Return the URL of this view, filtered by these values, and split by the other dimensions."""
        return self.url(by=None, **dict(zip(dimensions, values, strict=True)))

    def without(self, dimension: str) -> str:
        """Return the URL of this view without the filter of a dimension."""
        return self.url(by=None, **{dimension: None})

    def fixed(self) -> str:
        """Return the URL of this view with its current start and end."""
        return self.url(**self._times())

    def everything(self) -> str:
        """Return the URL of this view without any filter."""
        return self.url(by=None, **dict.fromkeys(DIMENSIONS))

    def picture(self, dark: int, narrow: int) -> str:
        """Return the URL of the chart with the current start and end, for a dark or a narrow screen."""
        looks = {name: "1" for name, wanted in (("dark", dark), ("narrow", narrow)) if wanted}
        return self.url(f"{DASHBOARD_PATH}/chart.svg", **self._times(), **looks)

    def all(self, dimension: str) -> str:
        """Return the URL of this view, split by one dimension."""
        return self.url(by=dimension)

    def split(self, dimensions: Sequence[str]) -> "View":
        """Return this view, split by the first two of these dimensions unless the URL has `by`."""
        if "by" in self.chosen or not dimensions:
            return self
        names = [name for name in _BY if name in dimensions][:2]
        return replace(self, query=replace(self.query, by=tuple(names)))

    def csv(self) -> str:
        """Return the URL of the CSV of this view, with its current start and end."""
        return self.url(f"{DASHBOARD_PATH}/rates.csv", **self._times(), by=",".join(self.query.by))

    def open_dimensions(self) -> list[str]:
        """Return the dimensions without a filter."""
        return [name for name in DIMENSIONS if name not in dict(self.filters)]

    def _times(self) -> dict[str, str | None]:
        query = self.query
        return {
            "window": None,
            "start": str(query.start),
            "end": str(query.end),
            "compare": query.compare,
        }


def parse_view(parameters: Iterable[tuple[str, str]], now: int) -> View:
    """Parse the parameters of a URL.

    Args:
        parameters: names and values: those of `/v1/rates`, and `window`. An empty value counts as absent, as
            forms send it; but the empty value of a dimension means "unknown".
        now: the time now, ms.

    Raises:
        InvalidRequest: a parameter is unknown or malformed.
    """
    given = [(name, value.strip()) for name, value in parameters]
    given = [(name, value) for name, value in given if value or name in DIMENSIONS]
    filters = [(name, value) for name, value in given if name in DIMENSIONS]
    others = [(name, value) for name, value in given if name not in DIMENSIONS]
    names = [name for name, _ in others]
    if not set(names) <= {"window", *_CHOSEN} or len(set(names)) < len(names):
        raise InvalidRequest(
            f"Unknown or repeated parameter in {', '.join(names)[:80]!r}."
            f" Use window, {', '.join(_CHOSEN)}, each at most once, and {', '.join(DIMENSIONS)}."
        )
    chosen = dict(others)
    window = chosen.pop("window", None if {"start", "end"} & chosen.keys() else _WINDOW)
    if window is not None and (window not in WINDOWS or {"start", "end"} & chosen.keys()):
        raise InvalidRequest(
            f"Invalid window {window[:40]!r}. Use {', '.join(WINDOWS)}, or start and end instead of a window."
        )
    length, compare = WINDOWS[window] if window else (0, "previous")
    start = now - length
    if length > HOUR_MS:
        start -= start % HOUR_MS  # summing rollups by hour is faster than by minute
    times = {"start": str(start), "end": str(now)} if window else {}
    by = _by({name for name, _ in filters})
    asked = {"by": by, "compare": compare, "min_requested": _MIN_REQUESTED, **times, **chosen}
    query = parse_query([*asked.items(), *filters], now)
    if query.end - query.start > MAX_VIEW_DAYS * DAY_MS:
        raise InvalidRequest(
            f"The window is too long: a dashboard shows at most {MAX_VIEW_DAYS:,} days (5 years)."
            " Choose a later start, or use /v1/rates."
        )
    if len(filters) > MAX_VIEW_FILTERS:
        raise InvalidRequest(
            f"Too many filters: a dashboard has at most {MAX_VIEW_FILTERS} values. Use /v1/rates for more."
        )
    return View(window, tuple(sorted(filters, key=lambda pair: DIMENSIONS.index(pair[0]))), chosen, query)


def _by(filters: Collection[str]) -> str:
    """Return the dimensions to split by: the first two without a filter."""
    return ",".join([name for name in _BY if name not in filters][:2]) or "country"
