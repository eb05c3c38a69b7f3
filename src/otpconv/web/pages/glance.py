"""What a dashboard shows, asked by the questions that `/v1/rates` answers: the same numbers, another form."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from otpconv.ledger.contract import DAY_MS, HOUR_MS, Ledger
from otpconv.rates import INTERVALS, RateAnswer, RateQuery, RateRow, answer
from otpconv.web.pages.view import View

#: What makes a change notable: of many that are none, one in forty is surely a drop, but hardly of so much.
NOTABLE = 0.005
#: What makes a drop one to be told of first: it is surely of so much.
SHARP = 0.05
#: The longest window by which a history goes in steps of this interval, ms.
_STEPS = (("5m", 2 * HOUR_MS), ("15m", 8 * HOUR_MS), ("1h", 8 * DAY_MS))
#: A silence is told of when so many reports should have come in it.
_MISSED = 10.0


class Silence(Struct, frozen=True):
    """A time up to now in which nothing at all was reported.

    Attributes:
        since: when it began, ms.
        requested: messages requested in it.
        ever: whether anything was reported in the window before it, or in the one it is compared with.
    """

    since: int
    requested: int
    ever: bool


class Glance(Struct, frozen=True):
    """Everything that is shown of a view.

    Attributes:
        view: what is looked at, and by what it is split.
        total: one row of all that the view is about.
        groups: the answer by what the view is split by, the surest drop first.
        latest: of a longer view that goes up to now, the total of its last hour; else None.
        recent: likewise the sharp drops of that hour.
        history: the rates over time.
        step_ms: from one of its rows to the next.
        silence: of the account as a whole; None when there is none.
        parts: the rows by each dimension that is open, the most requested first.
    """

    view: View
    total: RateRow
    groups: RateAnswer
    latest: RateRow | None
    recent: list[RateRow]
    history: RateAnswer
    step_ms: int
    silence: Silence | None
    parts: list[tuple[str, list[RateRow]]]


def glance(ledger: Ledger, account: int, view: View, now: int) -> Glance:
    """Return what there is to see.

    Raises:
        InvalidRequest: there are no such rates.
        Unavailable: the storage failed.
    """

    def ask(query: RateQuery) -> RateAnswer:
        return answer(ledger, account, query, now)

    past = history(ledger, account, view, now)
    everything = ask(replace(past.query, filters={})) if view.filters else past.answer
    parts = [
        (name, ask(replace(view.of((name,)), order="-requested")).rows) for name in view.open_dimensions()
    ]
    parts = [(name, rows) for name, rows in parts if len(rows) > 1]
    view = view.split([name for name, _ in parts])
    is_long = view.window is not None and view.query.end - view.query.start > HOUR_MS
    return Glance(
        view=view,
        total=ask(view.of(())).rows[0],
        groups=worst(ledger, account, view, now),
        latest=next(iter(ask(_last_hour(view.of(()), now)).rows), None) if is_long else None,
        recent=_sharp(ask(_last_hour(view.query, now)).rows) if is_long else [],
        history=past.answer,
        step_ms=past.step_ms,
        silence=silence(everything.rows),
        parts=parts,
    )


def worst(ledger: Ledger, account: int, view: View, now: int) -> RateAnswer:
    """Return the rows by what a view is split by, the surest drop first: by the high end of its interval."""
    found = answer(ledger, account, view.query, now)
    return replace(found, rows=sorted(found.rows, key=_sureness))


class History(Struct, frozen=True):
    """Rates over time, the question they answer, and how long a step is, ms."""

    query: RateQuery
    answer: RateAnswer
    step_ms: int


def history(ledger: Ledger, account: int, view: View, now: int) -> History:
    """Return the rates over time, in steps of the interval that suits the length and is still kept."""
    length = view.query.end - view.query.start
    interval = next((name for name, longest in _STEPS if length <= longest), "1d")
    query = view.of((), interval)
    back = {"day": DAY_MS, "week": 7 * DAY_MS}.get(query.compare or "", length)
    if INTERVALS[interval] < HOUR_MS and query.start - back < ledger.minutes_from():
        query = replace(query, interval="1h")
    step_ms = INTERVALS[query.interval or "1h"]
    return History(query, answer(ledger, account, query, now), step_ms)


def is_drop(row: RateRow, least: float = NOTABLE) -> bool:
    """Tell whether a rate surely fell by more than `least`, chance aside."""
    interval = row.change_interval
    return interval is not None and interval[1] < -least


def is_rise(row: RateRow) -> bool:
    """Tell whether a rate surely rose by a notable amount, chance aside."""
    interval = row.change_interval
    return interval is not None and interval[0] > NOTABLE


def lost(row: RateRow) -> int:
    """Return how many verifications a drop has surely cost."""
    interval = row.change_interval
    return max(0, round(-interval[1] * row.requested)) if interval else 0


def silence(rows: Sequence[RateRow]) -> Silence | None:
    """Return the silence that rows over time end with; None when chance explains it.

    One route that fails still leaves reports of the others: this is about none from anywhere.
    """
    silent = len(rows)
    while silent and not rows[silent - 1].reported:
        silent -= 1
    during, before = rows[silent:], rows[:silent]
    if not during:
        return None
    due = sum(row.messages - row.now.pending for row in during)
    sent, reported = sum(row.messages for row in before), sum(row.reported for row in before)
    if not reported:
        compared = [row.before for row in rows if row.before]
        sent, reported = sum(each.requested for each in compared), sum(each.verified for each in compared)
    share = reported / sent if reported else 1.0
    if due * share < _MISSED:
        return None
    return Silence(during[0].start or 0, sum(row.messages for row in during), ever=reported > 0)


def _last_hour(query: RateQuery, now: int) -> RateQuery:
    return replace(query, start=now - HOUR_MS, end=now, compare="day")


def _sharp(rows: Iterable[RateRow]) -> list[RateRow]:
    return sorted((row for row in rows if is_drop(row, SHARP)), key=_sureness)


def _sureness(row: RateRow) -> tuple[object, ...]:
    interval = row.change_interval
    return row.others, interval is None, interval[1] if interval else 0.0, -row.requested, row.group
