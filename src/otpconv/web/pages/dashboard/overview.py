"""What a dashboard shows of a view: rates as `/v1/rates` answers them, and the verdict on them."""

from msgspec import Struct
from msgspec.structs import replace

from otpconv.errors import AnswerTooLarge
from otpconv.rates import INTERVALS, RateAnswer, RateRow, answer
from otpconv.rates.evidence import Evidence, gather
from otpconv.rates.marks import Marks, mark
from otpconv.rates.maturity import learn
from otpconv.rates.plan import plan
from otpconv.storage.contract import DAY_MS, HOUR_MS, LedgerReader
from otpconv.web.pages.dashboard.view import View

#: The longest window by which a history goes in steps of this interval, ms.
_STEPS = (("5m", 2 * HOUR_MS), ("15m", 8 * HOUR_MS), ("1h", 8 * DAY_MS))


class Part(Struct, frozen=True):
    """The rows of one dimension, the most requested first, and which of them fell or rose."""

    name: str
    rows: list[RateRow]
    marks: Marks


class Overview(Struct, frozen=True):
    """Everything that is shown of a view.

    Attributes:
        view: what is looked at, and by what it is split.
        total: one row of all that the view is about.
        evidence: what is broken.
        groups: the answer by what the view is split by, the surest drop first.
        marks: which of the groups fell or rose.
        history: the rates over time.
        step_ms: from one of its rows to the next.
        parts: one for each dimension that has more than one value.
        folded: how many messages of the window's days are counted as `model.OTHER` in a dimension.
    """

    view: View
    total: RateRow
    evidence: Evidence
    groups: RateAnswer
    marks: Marks
    history: RateAnswer
    step_ms: int
    parts: list[Part]
    folded: int


def overview(ledger: LedgerReader, account: int, view: View, now: int) -> Overview:
    """Return what there is to see.

    Raises:
        InvalidRequest: there are no such rates.
        Unavailable: the storage failed.
    """
    evidence = gather(ledger, account, view.query, learn(ledger, account, view.query.filters, now), now)
    past = history(ledger, account, view, now)
    parts = []
    for name in _varied(ledger, account, view):
        rows = answer(ledger, account, replace(view.of((name,)), order="-requested"), now).rows
        if len(rows) > 1:
            parts.append(Part(name, rows, mark(rows, (name,), evidence)))
    view = view.split([part.name for part in parts])
    groups = worst(ledger, account, view, now)
    return Overview(
        view=view,
        total=answer(ledger, account, view.of(()), now).rows[0],
        evidence=evidence,
        groups=groups,
        marks=mark(groups.rows, view.query.by, evidence),
        history=past.answer,
        step_ms=past.step_ms,
        parts=parts,
        folded=ledger.folded(account, view.query.start, view.query.end),
    )


def _varied(ledger: LedgerReader, account: int, view: View) -> list[str]:
    """Return the dimensions without a filter that have, or may have, more than one value."""
    names = view.open_dimensions()
    window = plan(view.of(()), ledger.minutes_from()).window
    try:
        counts = ledger.counts(account, window, names, view.query.filters, delays=False)
    except AnswerTooLarge:
        return names
    return [name for place, name in enumerate(names) if len({count.group[place] for count in counts}) > 1]


def worst(ledger: LedgerReader, account: int, view: View, now: int) -> RateAnswer:
    """Return the rows by what a view is split by, the surest drop first: by the high end of its interval."""
    groups = answer(ledger, account, view.query, now)
    return replace(groups, rows=sorted(groups.rows, key=_sureness))


class History(Struct, frozen=True):
    """Rates over time, and how long a step is, ms."""

    answer: RateAnswer
    step_ms: int


def history(ledger: LedgerReader, account: int, view: View, now: int) -> History:
    """Return the rates over time, in steps of the interval that suits the length and is still kept."""
    length = view.query.end - view.query.start
    interval = next((name for name, longest in _STEPS if length <= longest), "1d")
    query = view.of((), interval)
    back = {"day": DAY_MS, "week": 7 * DAY_MS}.get(query.compare or "", length)
    if INTERVALS[interval] < HOUR_MS and query.start - back < ledger.minutes_from():
        query = replace(query, interval="1h")
    return History(answer(ledger, account, query, now), INTERVALS[query.interval or "1h"])


def _sureness(row: RateRow) -> tuple[object, ...]:
    interval = row.change_interval
    return row.others, interval is None, interval[1] if interval else 0.0, -row.requested, row.group
