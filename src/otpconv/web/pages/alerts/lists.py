"""Which alerts the list and the dashboard show, and in which order. Pure."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec import Struct

from otpconv.alerts.showing.cost import missing_of
from otpconv.alerts.showing.words import TITLES, label_of
from otpconv.errors import InvalidRequest
from otpconv.storage.alerts.contract import LASTING, Alert, State

#: Which alerts the list shows: a word for the URL, and the states.
CHOICES: Final[dict[str, tuple[State, ...]]] = {
    "all": (*LASTING, "resolved"),
    "lasting": LASTING,
    "resolved": ("resolved",),
}
#: Resolved alerts on one page.
MAX_RESOLVED: Final = 50
#: Alerts in the strip of the dashboard.
MAX_IN_STRIP: Final = 3
#: Characters of a search.
MAX_SEARCH_CHARS: Final = 100
_PARAMETERS: Final = ("show", "kind", "q", "before", "done")
_ID_DIGITS: Final = 15


class Filters(Struct, frozen=True):
    """What the URL of the list asks for.

    Attributes:
        show: a key of `CHOICES`.
        kind: only alerts of this kind; empty: of all kinds.
        search: words that the name of the slice must contain.
        before: resolved alerts with smaller ids only; None: the newest.
    """

    show: str = "all"
    kind: str = ""
    search: str = ""
    before: int | None = None

    def fits(self, alert: Alert) -> bool:
        """Return whether an alert is of the kind and has the words."""
        name = label_of(alert.found.values).lower()
        of_kind = self.kind in {"", alert.found.kind}
        return of_kind and all(word in name for word in self.search.lower().split())


class Strip(Struct, frozen=True):
    """What the dashboard says about alerts.

    Attributes:
        shown: the worst ones that nobody snoozed.
        more: how many more there are.
        snoozed: how many are snoozed.
    """

    shown: Sequence[Alert]
    more: int
    snoozed: int


def parse_filters(parameters: Iterable[tuple[str, str]]) -> Filters:
    """Parse the parameters of the URL of the list; empty ones count as absent, as forms send them.

    Raises:
        InvalidRequest: one is unknown or malformed.
    """
    given = {name: value.strip() for name, value in parameters if value.strip()}
    if unknown := given.keys() - {*_PARAMETERS}:
        raise InvalidRequest(f"Unknown parameter {min(unknown)[:40]!r}. Use {', '.join(_PARAMETERS[:-1])}.")
    show, kind = given.get("show", "all"), given.get("kind", "")
    if show not in CHOICES:
        raise InvalidRequest(f"Invalid show {show[:40]!r}. Use {', '.join(CHOICES)}.")
    if kind and kind not in TITLES:
        raise InvalidRequest(f"Invalid kind {kind[:40]!r}. Use {', '.join(TITLES)}.")
    search, before = given.get("q", ""), given.get("before")
    if len(search) > MAX_SEARCH_CHARS:
        raise InvalidRequest(f"The search is too long: use at most {MAX_SEARCH_CHARS} characters.")
    return Filters(show, kind, search, None if before is None else _id(before))


def _id(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _ID_DIGITS):
        raise InvalidRequest(f"Invalid id of an alert {text[:40]!r}. Use a whole number.")
    return int(text)


def worst_first(alerts: Iterable[Alert]) -> list[Alert]:
    """Return alerts, the critical ones first, then those that have cost most, then the newest."""

    def badness(alert: Alert) -> tuple[bool, float, int]:
        missing = missing_of(alert)
        return alert.found.severity == "critical", missing.number if missing else 0.0, alert.id

    return sorted(alerts, key=badness, reverse=True)


def strip_of(lasting: Collection[Alert]) -> Strip | None:
    """Return what the dashboard says about the alerts that last; None without any."""
    if not lasting:
        return None
    awake = worst_first(alert for alert in lasting if alert.state != "snoozed")
    return Strip(awake[:MAX_IN_STRIP], len(awake[MAX_IN_STRIP:]), len(lasting) - len(awake))
