"""The oracle: what a ledger has to hold, counted afresh from a plain list of facts, by the law alone."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from otpconv.ledger.contract import DAY_MS, DIMENSIONS, HOUR_MS, MINUTE_MS, Count, Ledger, Message, Window
from otpconv.model import (
    Conversion,
    Dimensions,
    Expiry,
    MessageState,
    Report,
    Requested,
    SelfReportedRate,
    owner,
    state_of,
)

#: Account, values of the dimensions, start of the day, hour or minute.
RollupKey = tuple[int, tuple[str, ...], int]
#: Requested and verified.
Rollups = dict[RollupKey, tuple[int, int]]

_FOREVER = (0, 1 << 52)


@dataclass
class Recount:
    """The ledger by its values: no row ids, no order of arrival."""

    messages: dict[tuple[int, str], Message] = field(default_factory=dict)
    days: Rollups = field(default_factory=dict)
    hours: Rollups = field(default_factory=dict)
    minutes: Rollups = field(default_factory=dict)
    unmatched: dict[int, int] = field(default_factory=dict)
    self_reported: dict[int, list[SelfReportedRate]] = field(default_factory=dict)
    minutes_from: int = 0


class Facts:
    """The facts of a journal read up to somewhere."""

    def __init__(self) -> None:
        self.states: dict[tuple[int, str], MessageState] = {}
        self.by_number: set[Conversion] = set()
        self.rates: set[SelfReportedRate] = set()
        self.minutes_from = 0

    def take(self, report: Report | Expiry) -> None:
        if isinstance(report, Expiry):
            self._expire(report)
        elif isinstance(report, SelfReportedRate):
            self.rates.add(report)
        elif report.message_id:
            key = report.account, report.message_id
            self.states[key] = self.states.get(key, MessageState()).join(state_of(report))
        elif isinstance(report, Conversion):
            self.by_number.add(report)

    def owner(self, conversion: Conversion) -> Requested | None:
        return owner(
            (
                state.requested
                for (account, _), state in self.states.items()
                if account == conversion.account
                and state.requested is not None
                and state.requested.number == conversion.number
            ),
            conversion.conversion_time,
        )

    def known(self) -> object:
        """Something that differs whenever the facts do."""
        return dict(self.states), set(self.by_number), set(self.rates)

    def message(self, key: tuple[int, str]) -> Message:
        state = self.states[key]
        requested = state.requested
        instants = [] if state.verified_at is None else [state.verified_at]
        instants += [
            each.conversion_time
            for each in self.by_number
            if requested is not None
            and each.account == requested.account
            and each.number == requested.number
            and each.delivered
            and each.conversion_time > requested.requested_at
            and self.owner(each) == requested
        ]
        return Message(key[1], state, min(instants, default=None))

    def unmatched(self, account: int) -> int:
        messages = [key for key, state in self.states.items() if key[0] == account and not state.requested]
        numbers = {
            each.number for each in self.by_number if each.account == account and self.owner(each) is None
        }
        return len(messages) + len(numbers)

    def _expire(self, expiry: Expiry) -> None:
        self.states = {
            key: state
            for key, state in self.states.items()
            if state.requested is not None
            or max(state.true_last or 0, state.false_last or 0) >= expiry.unmatched_before
        }
        self.by_number = {
            each
            for each in self.by_number
            if each.conversion_time >= expiry.unmatched_before or self.owner(each) is not None
        }
        self.minutes_from = max(self.minutes_from, expiry.minutes_from)


def recount(reports: Iterable[Report | Expiry], accounts: Collection[int]) -> Recount:
    """Return what the ledger has to hold after these reports; without an expiry their order says nothing."""
    facts = Facts()
    for report in reports:
        facts.take(report)
    messages = {key: facts.message(key) for key in facts.states}
    return Recount(
        messages,
        rollups(messages, DAY_MS, 0),
        rollups(messages, HOUR_MS, 0),
        rollups(messages, MINUTE_MS, facts.minutes_from),
        {account: facts.unmatched(account) for account in accounts},
        {
            account: sorted(
                (rate for rate in facts.rates if rate.account == account),
                key=lambda rate: (rate.report_time, rate.rate),
            )
            for account in accounts
        },
        facts.minutes_from,
    )


def contents(ledger: Ledger, accounts: Collection[int]) -> Recount:
    """Return what the ledger holds, asked through its contract."""
    days = Window(days=(_FOREVER,), step=DAY_MS)
    hours = Window(hours=(_FOREVER,), step=HOUR_MS)
    minutes = Window(minutes=(_FOREVER,), step=MINUTE_MS)
    return Recount(
        {(account, each.message_id): each for account in accounts for each in ledger.messages(account)},
        {key: counts for account in accounts for key, counts in _counted(ledger, account, days)},
        {key: counts for account in accounts for key, counts in _counted(ledger, account, hours)},
        {key: counts for account in accounts for key, counts in _counted(ledger, account, minutes)},
        {account: ledger.unmatched(account) for account in accounts},
        {account: ledger.self_reported(account, *_FOREVER) for account in accounts},
        ledger.minutes_from(),
    )


def counts(
    counted: Recount,
    account: int,
    window: Window,
    by: Sequence[str],
    filters: Mapping[str, Collection[str]],
) -> set[Count]:
    """Return what `Ledger.counts` has to answer, summed from a recount."""
    requested: Counter[tuple[int, tuple[str, ...]]] = Counter()
    verified: Counter[tuple[int, tuple[str, ...]]] = Counter()
    for rollups, (start, end) in (
        *((counted.days, span) for span in window.days),
        *((counted.hours, span) for span in window.hours),
        *((counted.minutes, span) for span in window.minutes),
    ):
        for (of, values, at), (some_requested, some_verified) in rollups.items():
            told = dict(zip(DIMENSIONS, values, strict=True))
            if of == account and start <= at < end and all(told[name] in filters[name] for name in filters):
                slot = 0 if window.step is None else at // window.step * window.step
                key = slot, tuple(told[name] for name in by)
                requested[key] += some_requested
                verified[key] += some_verified
    return {Count(*key, requested[key], verified[key]) for key in requested}


def rollups(messages: Mapping[tuple[int, str], Message], grain_ms: int, since: int) -> Rollups:
    """Count messages requested from `since` (ms) on by account, dimensions and grain."""
    requested: Counter[RollupKey] = Counter()
    verified: Counter[RollupKey] = Counter()
    for (account, _), message in messages.items():
        told = message.state.requested
        if told is not None and told.requested_at >= since:
            key = account, _values(told.dimensions), told.requested_at // grain_ms * grain_ms
            requested[key] += 1
            verified[key] += message.verified_at is not None
    return {key: (requested[key], verified[key]) for key in requested}


def _values(dimensions: Dimensions) -> tuple[str, ...]:
    return tuple(getattr(dimensions, name) for name in DIMENSIONS)


def _counted(ledger: Ledger, account: int, window: Window) -> list[tuple[RollupKey, tuple[int, int]]]:
    found = ledger.counts(account, window, DIMENSIONS, {})
    rows = [((account, each.group, each.slot), (each.requested, each.verified)) for each in found]
    assert len({key for key, _ in rows}) == len(rows), "a slot and group twice"
    return rows
