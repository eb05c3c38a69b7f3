"""The view that a dashboard's URL selects, and the URLs of other views. A link shows the same to all."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from otpconv.errors import InvalidRequest
from otpconv.rates import RateQuery, parse_query
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS
from otpconv.web.pages.choices import Choices, zone_of
from otpconv.web.pages.dashboard.columns import parse_columns, require_sortable

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
#: Parameters of `/v1/rates`, and those of the table alone.
_ASKED: Final = ("start", "end", "by", "compare", "level", "min_requested", "tz")
_OF_TABLE: Final = ("sort", "q", "columns")
#: Fields of the form whose values replace start and end: a picker for times can't hold words.
_PICKED: Final = {"start_at": "start", "end_at": "end"}
#: The longest search for groups, characters.
MAX_SEARCH_CHARS: Final = 100


class View(Struct, frozen=True):
    """A view of the dashboard.

    Attributes:
        window: a key of `WINDOWS`, which ends now; None for fixed times.
        filters: dimensions and their accepted values, in the order of the dimensions.
        chosen: the other parameters of the URL.
        query: the question about the groups.
        columns: the names of the table's columns.
    """

    window: str | None
    filters: tuple[tuple[str, str], ...]
    chosen: dict[str, str]
    query: RateQuery
    columns: tuple[str, ...]

    @property
    def sort(self) -> str | None:
        """The column to sort by, with a minus for the largest first; None: the surest drop first."""
        return self.chosen.get("sort")

    @property
    def search(self) -> str:
        """The words that the groups of the table must contain."""
        return self.chosen.get("q", "")

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
        """Return the URL of this view with its current start and end, which shows the same to everybody."""
        return self.url(**self._times(), **self._shown())

    def shared(self) -> str:
        """Return the URL of this view, which shows the same to everybody at the same time."""
        return self.url(**self._shown())

    def fields(self, *without: str) -> list[tuple[str, str]]:
        """Return the parameters of this view's URL, for the hidden fields of a form that changes others."""
        pairs = parse_qsl(urlsplit(self.url()).query, keep_blank_values=True)
        return [(name, value) for name, value in pairs if name not in without]

    def everything(self) -> str:
        """Return the URL of this view without any filter."""
        return self.url(by=None, **dict.fromkeys(DIMENSIONS))

    def picture(self, dark: int, narrow: int) -> str:
        """Return the URL of the chart with the current start and end, for a dark or a narrow screen."""
        looks = {name: "1" for name, wanted in (("dark", dark), ("narrow", narrow)) if wanted}
        return self.url(f"{DASHBOARD_PATH}/chart.svg", **self._times(), tz=self.query.tz.key, **looks)

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
        by = ",".join(self.query.by)
        return self.url(f"{DASHBOARD_PATH}/rates.csv", **self._times(), tz=self.query.tz.key, by=by)

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

    def _shown(self) -> dict[str, str]:
        """Return the choices that a viewer may have remembered."""
        return {"tz": self.query.tz.key, "columns": ",".join(self.columns)}


def parse_view(parameters: Iterable[tuple[str, str]], now: int, choices: Choices | None = None) -> View:
    """Parse the parameters of a URL.

    Args:
        parameters: names and values: those of `/v1/rates`, and `window`, `sort`, `q` and `columns`. An empty
            value counts as absent, as forms send it; but the empty value of a dimension means "unknown".
        now: the time now, ms.
        choices: used where the URL has no choice; malformed ones are ignored. None: there are none.

    Raises:
        InvalidRequest: a parameter is unknown or malformed.
    """
    given = [(name, value.strip()) for name, value in parameters]
    given = [(name, value) for name, value in given if value or name in DIMENSIONS]
    filters = [(name, value) for name, value in given if name in DIMENSIONS]
    chosen = _chosen([(name, value) for name, value in given if name not in DIMENSIONS])
    window = chosen.pop("window", None if {"start", "end"} & chosen.keys() else _WINDOW)
    if window is not None and (window not in WINDOWS or {"start", "end"} & chosen.keys()):
        raise InvalidRequest(
            f"Invalid window {window[:40]!r}. Use {', '.join(WINDOWS)}, or start and end instead of a window."
        )
    choices = choices or Choices()
    columns = _columns(chosen, choices)
    query = _query(window, chosen, filters, now, zone_of(choices).key)
    if query.end - query.start > MAX_VIEW_DAYS * DAY_MS:
        raise InvalidRequest(
            f"The window is too long: a dashboard shows at most {MAX_VIEW_DAYS:,} days (5 years)."
            " Choose a later start, or use /v1/rates."
        )
    if len(filters) > MAX_VIEW_FILTERS:
        raise InvalidRequest(
            f"Too many filters: a dashboard has at most {MAX_VIEW_FILTERS} values. Use /v1/rates for more."
        )
    in_order = tuple(sorted(filters, key=lambda pair: DIMENSIONS.index(pair[0])))
    return View(window, in_order, chosen, query, columns)


def _chosen(others: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters that are not filters, by name; a picked time replaces a written one."""
    names, known = [name for name, _ in others], ("window", *_ASKED, *_OF_TABLE)
    if not set(names) <= {*known, *_PICKED} or len(set(names)) < len(names):
        raise InvalidRequest(
            f"Unknown or repeated parameter in {', '.join(names)[:80]!r}."
            f" Use {', '.join(known)}, each at most once, and {', '.join(DIMENSIONS)}."
        )
    chosen = dict(others)
    for picked, name in _PICKED.items():
        if picked in chosen:
            chosen[name] = chosen.pop(picked)
    if len(chosen.get("q", "")) > MAX_SEARCH_CHARS:
        raise InvalidRequest(f"The search is too long: use at most {MAX_SEARCH_CHARS} characters.")
    if "sort" in chosen:
        require_sortable(chosen["sort"])
    return chosen


def _columns(chosen: dict[str, str], choices: Choices) -> tuple[str, ...]:
    if "columns" in chosen:
        return parse_columns(chosen["columns"])
    with suppress(InvalidRequest):  # of another version, or no cookie of ours
        return parse_columns(choices.columns or "")
    return parse_columns("")


def _query(
    window: str | None, chosen: dict[str, str], filters: Sequence[tuple[str, str]], now: int, zone: str
) -> RateQuery:
    """Return the question of a view; `zone` applies unless a zone is chosen."""
    length, compare = WINDOWS[window] if window else (0, "previous")
    start = now - length
    if length > HOUR_MS:
        start -= start % HOUR_MS  # summing rollups by hour is faster than by minute
    times = {"start": str(start), "end": str(now)} if window else {}
    by = _by({name for name, _ in filters})
    asked = {"by": by, "compare": compare, "min_requested": _MIN_REQUESTED, "tz": zone, **times}
    asked |= {name: value for name, value in chosen.items() if name in _ASKED}
    return parse_query([*asked.items(), *filters], now)


def _by(filters: Collection[str]) -> str:
    """Return the dimensions to split by: the first two without a filter."""
    return ",".join([name for name in _BY if name not in filters][:2]) or "country"
