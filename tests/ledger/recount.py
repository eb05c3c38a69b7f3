"""The oracle: what a ledger has to hold, counted afresh from a plain list of facts, by the law alone."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import TypeVar

from msgspec.structs import astuple, replace

from otpconv.ledger.forgetting import MINUTES_KEPT_MS
from otpconv.model import (
    DELAY_BINS,
    OTHER,
    Conversion,
    Dimensions,
    Expiry,
    MessageState,
    Report,
    Requested,
    SelfReportedRate,
    delay_bin,
    first_of,
    owner,
    state_of,
)
from otpconv.receipts import MAX_SHARED, Receipt, ReceiptState, ReceiptStatus, receipt_state_of
from otpconv.storage.bounds import BOUNDS, Bounds
from otpconv.storage.contract import (
    DAY_MS,
    DIMENSIONS,
    HOUR_MS,
    MINUTE_MS,
    QUARTER_MS,
    Count,
    LedgerReader,
    Message,
    Tally,
    Window,
)
from otpconv.storage.erasure import (
    Deletion,
    Erased,
    ErasedRequest,
    Erasure,
    KeptCosts,
    KeptCounts,
    KeptRange,
)
from otpconv.storage.range_counts import RANGES_KEPT_MS, RangeCount

#: Account, values of the dimensions, start of the day, hour, quarter of an hour or minute.
RollupKey = tuple[int, tuple[str, ...], int]
#: By the account, the day and the reported dimensions: the values that are counted.
CountedAs = Mapping[tuple[int, int, Dimensions], tuple[str, ...]]
#: The counts, and the delays by bin.
Rollups = dict[RollupKey, tuple[Tally, tuple[int, ...]]]

#: By the account, hour (ms), range, country and provider: messages, and those of them that are verified.
Ranges = dict[tuple[int, int, str, str, str], tuple[int, int]]
#: By the key of a rollup and the currency: messages with a price, and the sum of their prices.
Costs = dict[tuple[RollupKey, str], tuple[int, int]]

_FOREVER = (0, 1 << 52)
T = TypeVar("T")


@dataclass
class Recount:
    """The ledger by its values: no row ids, no order of arrival."""

    messages: dict[tuple[int, str], Message] = field(default_factory=dict)
    days: Rollups = field(default_factory=dict)
    hours: Rollups = field(default_factory=dict)
    quarters: Rollups = field(default_factory=dict)
    minutes: Rollups = field(default_factory=dict)
    costs: tuple[Costs, ...] = ()
    ranges: dict[int, list[RangeCount]] = field(default_factory=dict)
    unmatched: dict[int, int] = field(default_factory=dict)
    self_reported: dict[int, list[SelfReportedRate]] = field(default_factory=dict)
    minutes_from: int = 0


class Folding:
    """By which values the messages of a journal are counted: one report after the other, in its order."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._values: dict[tuple[int, int, int], set[str]] = defaultdict(set)
        self._combinations: dict[tuple[int, int], set[tuple[str, ...]]] = defaultdict(set)

    def take(self, report: Requested) -> tuple[str, ...]:
        account, day = report.account, report.requested_at // DAY_MS
        kept = tuple(
            value
            if not value or _is_let_in(self._values[account, day, place], value, self._bounds.values)
            else OTHER
            for place, value in enumerate(_values(report.dimensions))
        )
        country, _, provider, _, _, channel, _ = kept
        combinations = self._combinations[account, day]
        most = self._bounds.combinations
        if _is_let_in(combinations, kept, most):
            return kept
        route = (country, OTHER, provider, OTHER, OTHER, channel, OTHER)
        if _is_let_in(combinations, route, most + self._bounds.routes):
            return route
        nothing = (OTHER,) * len(DIMENSIONS)
        combinations.add(nothing)
        return nothing


def _is_let_in(known: set[T], new: T, most: int) -> bool:
    if new not in known and len(known) < most:
        known.add(new)
    return new in known


class Facts:
    """The facts of a journal read up to somewhere."""

    def __init__(self, bounds: Bounds = BOUNDS) -> None:
        self.folding = Folding(bounds)
        self.counted_as: dict[tuple[int, int, Dimensions], tuple[str, ...]] = {}
        self.states: dict[tuple[int, str], MessageState] = {}
        self.by_number: set[Conversion] = set()
        self.rates: set[SelfReportedRate] = set()
        self.minutes_from = 0
        self.kept: list[KeptCounts] = []
        self.kept_costs: list[KeptCosts] = []
        self.kept_ranges: list[KeptRange] = []
        self.range_lengths: dict[tuple[int, int, str], int] = {}
        self.receipts: dict[tuple[int, str], ReceiptState] = {}

    def take(self, report: Report | Deletion | ErasedRequest | Erased) -> None:
        if isinstance(report, Requested):
            key = report.account, report.requested_at // DAY_MS, report.dimensions
            self.counted_as[key] = self.folding.take(report)
        if isinstance(report, ErasedRequest):
            request = Requested(report.account, "", report.day, report.dimensions)
            key = report.account, report.day // DAY_MS, report.dimensions
            self.counted_as[key] = self.folding.take(request)
        if isinstance(report, Expiry):
            self._expire(report)
        elif isinstance(report, Erasure):
            self._erase(report)
        elif isinstance(report, ErasedRequest | Erased):
            pass
        elif isinstance(report, SelfReportedRate):
            self.rates.add(report)
        elif isinstance(report, Receipt):
            named = report.account, report.vendor_message_id
            state = receipt_state_of(report)
            self.receipts[named] = self.receipts[named].join(state) if named in self.receipts else state
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

    @property
    def ranges_from(self) -> int:
        back = RANGES_KEPT_MS - MINUTES_KEPT_MS
        return max(0, (self.minutes_from - back) // HOUR_MS * HOUR_MS)

    def known(self) -> object:
        """Something that differs whenever the facts do."""
        return dict(self.states), set(self.by_number), set(self.rates), dict(self.receipts)

    def receipt(self, of: Requested) -> ReceiptState | None:
        """The receipts of a message; of the messages that name one id of a vendor, the first have them."""
        fellows = sorted(
            (each.requested_at, each.message_id)
            for each in self._requested()
            if each.account == of.account and each.vendor_message_id == of.vendor_message_id
        )
        if of.vendor_message_id and (of.requested_at, of.message_id) not in fellows[:MAX_SHARED]:
            return None
        return self.receipts.get(_named(of))

    def _requested(self) -> list[Requested]:
        return [state.requested for state in self.states.values() if state.requested is not None]

    def message(self, key: tuple[int, str]) -> Message:
        state = self.states[key]
        requested = state.requested
        by_number = [
            each
            for each in self.by_number
            if requested is not None
            and each.account == requested.account
            and each.number == requested.number
            and self.owner(each) == requested
        ]
        instants = [] if state.verified_at is None else [state.verified_at]
        instants += [
            each.conversion_time
            for each in by_number
            if requested is not None and each.delivered and each.conversion_time > requested.requested_at
        ]
        reported = bool(by_number) or state.reported
        receipt = None if requested is None else self.receipt(requested)
        return Message(key[1], state, min(instants, default=None), reported, receipt)

    def unmatched(self, account: int) -> int:
        messages = [key for key, state in self.states.items() if key[0] == account and not state.requested]
        numbers = {
            each.number for each in self.by_number if each.account == account and self.owner(each) is None
        }
        return len(messages) + len(numbers)

    def _erase(self, erasure: Erasure) -> None:
        for key in erasure.messages:
            self.states.pop(key, None)
        self.by_number = {
            each
            for each in self.by_number
            if not any(
                (each.account, each.number) == (account, number) and first <= each.conversion_time <= last
                for account, number, first, last in erasure.places
            )
        }
        for key in erasure.detached:
            state = self.states.get(key)
            if state is not None and state.requested is not None:
                detached = replace(state.requested, session_id="")
                self.states[key] = replace(state, requested=detached)
        for named in erasure.receipts:
            self.receipts.pop(named, None)
        self.kept += erasure.kept
        self.kept_costs += erasure.kept_costs
        self.kept_ranges += (each for each in erasure.kept_ranges if each.start >= self.ranges_from)
        for length in erasure.range_lengths:
            if length.day >= self.ranges_from // DAY_MS:
                of = length.account, length.day, length.country
                self.range_lengths[of] = min(self.range_lengths.get(of, 99), length.length)
        self._expire(Expiry(erasure.before, 0))

    def _expire(self, expiry: Expiry) -> None:
        self.states = {
            key: state
            for key, state in self.states.items()
            if state.requested is not None
            or max(time or 0 for time in astuple(state)[1:]) >= expiry.unmatched_before
        }
        self.by_number = {
            each
            for each in self.by_number
            if each.conversion_time >= expiry.unmatched_before or self.owner(each) is not None
        }
        known = set(map(_named, self._requested()))
        self.receipts = {
            named: state
            for named, state in self.receipts.items()
            if named in known or max(time or 0 for time in state.times) >= expiry.unmatched_before
        }
        self.minutes_from = max(self.minutes_from, expiry.minutes_from)
        self.kept_ranges = [each for each in self.kept_ranges if each.start >= self.ranges_from]
        first = self.ranges_from // DAY_MS
        self.range_lengths = {of: length for of, length in self.range_lengths.items() if of[1] >= first}


def _named(message: Requested) -> tuple[int, str]:
    return message.account, message.vendor_message_id or message.message_id


def with_kept(counted: Rollups, kept: Iterable[KeptCounts], grain_ms: int, since: int) -> Rollups:
    """Add what deleted messages contribute."""
    whole = dict(counted)
    for each in kept:
        if each.start >= since:
            key = each.account, _values(each.dimensions), each.start // grain_ms * grain_ms
            tally, delays = whole.get(key, (Tally(), (0,) * DELAY_BINS))
            more = dict(each.delays)
            whole[key] = (
                tally + Tally(**each.counts),
                tuple(count + more.get(number, 0) for number, count in enumerate(delays)),
            )
    return whole


def recount(
    reports: Iterable[Report | Deletion | ErasedRequest | Erased],
    accounts: Collection[int],
    bounds: Bounds = BOUNDS,
) -> Recount:
    """Return what the ledger has to hold after these reports.

    Without an expiry, and within the bounds, their order says nothing.
    """
    facts = Facts(bounds)
    for report in reports:
        facts.take(report)
    messages = {key: facts.message(key) for key in facts.states}
    grains = ((DAY_MS, 0), (HOUR_MS, 0), (QUARTER_MS, 0), (MINUTE_MS, facts.minutes_from))
    return Recount(
        messages,
        with_kept(rollups(messages, DAY_MS, 0, facts.counted_as), facts.kept, DAY_MS, 0),
        with_kept(rollups(messages, HOUR_MS, 0, facts.counted_as), facts.kept, HOUR_MS, 0),
        with_kept(rollups(messages, QUARTER_MS, 0, facts.counted_as), facts.kept, QUARTER_MS, 0),
        with_kept(
            rollups(messages, MINUTE_MS, facts.minutes_from, facts.counted_as),
            facts.kept,
            MINUTE_MS,
            facts.minutes_from,
        ),
        tuple(
            costs(messages, grain_ms, since, facts.counted_as, facts.kept_costs) for grain_ms, since in grains
        ),
        {account: range_counts(range_rollups(facts, messages), account) for account in accounts},
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


def contents(ledger: LedgerReader, accounts: Collection[int]) -> Recount:
    """Return what the ledger holds, asked through its contract."""
    days = Window(days=(_FOREVER,), step=DAY_MS)
    hours = Window(hours=(_FOREVER,), step=HOUR_MS)
    quarters = Window(quarters=(_FOREVER,), step=QUARTER_MS)
    minutes = Window(minutes=(_FOREVER,), step=MINUTE_MS)
    return Recount(
        {(account, each.message_id): each for account in accounts for each in ledger.messages(account)},
        {key: counts for account in accounts for key, counts in _counted(ledger, account, days)},
        {key: counts for account in accounts for key, counts in _counted(ledger, account, hours)},
        {key: counts for account in accounts for key, counts in _counted(ledger, account, quarters)},
        {key: counts for account in accounts for key, counts in _counted(ledger, account, minutes)},
        tuple(_costs(ledger, accounts, window) for window in (days, hours, quarters, minutes)),
        {account: ledger.ranges(account, *_FOREVER) for account in accounts},
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
    """Return what `LedgerReader.counts` has to answer, summed from a recount."""
    sums: dict[tuple[int, tuple[str, ...]], tuple[Tally, tuple[int, ...]]] = {}
    for key, (tally, delays) in _asked(counted, account, window, by, filters):
        before, delays_before = sums.get(key, (Tally(), (0,) * DELAY_BINS))
        sums[key] = before + tally, tuple(map(add, delays_before, delays))
    return {Count(*key, *counts) for key, counts in sums.items()}


def _asked(
    counted: Recount,
    account: int,
    window: Window,
    by: Sequence[str],
    filters: Mapping[str, Collection[str]],
) -> Iterator[tuple[tuple[int, tuple[str, ...]], tuple[Tally, tuple[int, ...]]]]:
    """The rollups a question is about, each with the slot and group it belongs to."""
    for rollups, (start, end) in (
        *((counted.days, span) for span in window.days),
        *((counted.hours, span) for span in window.hours),
        *((counted.quarters, span) for span in window.quarters),
        *((counted.minutes, span) for span in window.minutes),
    ):
        for (of, values, at), counts in rollups.items():
            told = dict(zip(DIMENSIONS, values, strict=True))
            if of == account and start <= at < end and all(told[name] in filters[name] for name in filters):
                slot = 0 if window.step is None else at // window.step * window.step
                yield (slot, tuple(told[name] for name in by)), counts


def rollups(
    messages: Mapping[tuple[int, str], Message],
    grain_ms: int,
    since: int,
    counted_as: CountedAs | None = None,
) -> Rollups:
    """Count messages requested from `since` (ms) on by account, dimensions and grain."""
    tallies: dict[RollupKey, Tally] = defaultdict(Tally)
    delays: dict[RollupKey, Counter[int]] = defaultdict(Counter)
    for (account, _), message in messages.items():
        told = message.state.requested
        if told is None or told.requested_at < since:
            continue
        values = _values(told.dimensions)
        if counted_as is not None:
            values = counted_as[account, told.requested_at // DAY_MS, told.dimensions]
        key = account, values, told.requested_at // grain_ms * grain_ms
        session = _session(messages.values(), told)
        verified, begins = message.verified, first_of(session) == told
        tallies[key] += Tally(
            1,
            verified,
            told.attempt == 1,
            told.attempt == 1 and verified,
            begins,
            begins and any(session[each] for each in session),
            message.reported,
            message.receipt is not None and message.receipt.status > ReceiptStatus.NONE,
            delivered := message.receipt is not None and message.receipt.status is ReceiptStatus.DELIVERED,
            delivered and verified,
        )
        if message.verified_at is not None:
            delays[key][delay_bin(message.verified_at - told.requested_at)] += 1
    return {key: (tallies[key], tuple(delays[key][n] for n in range(DELAY_BINS))) for key in tallies}


def costs(
    messages: Mapping[tuple[int, str], Message],
    grain_ms: int,
    since: int,
    counted_as: CountedAs | None = None,
    kept: Iterable[KeptCosts] = (),
) -> Costs:
    """Sum the prices of messages requested from `since` (ms) on, and what deleted ones have cost."""
    sums: Costs = {}

    def add_cost(key: tuple[RollupKey, str], messages: int, micros: int) -> None:
        before = sums.get(key, (0, 0))
        sums[key] = before[0] + messages, before[1] + micros

    for (account, _), message in messages.items():
        told, receipt = message.state.requested, message.receipt
        if told is None or receipt is None or receipt.price is None or told.requested_at < since:
            continue
        values = _values(told.dimensions)
        if counted_as is not None:
            values = counted_as[account, told.requested_at // DAY_MS, told.dimensions]
        slot = account, values, told.requested_at // grain_ms * grain_ms
        add_cost((slot, receipt.currency), 1, receipt.price)
    for each in kept:
        if each.start >= since:
            slot = each.account, _values(each.dimensions), each.start // grain_ms * grain_ms
            add_cost((slot, each.currency), each.messages, each.micros)
    return sums


def range_rollups(facts: Facts, messages: Mapping[tuple[int, str], Message]) -> Ranges:
    """Count the messages with a number by their range, and what deleted ones contribute."""
    sums: Ranges = {}

    def add_range(kept: KeptRange) -> None:
        length = facts.range_lengths.get((kept.account, kept.start // DAY_MS, kept.country))
        key = kept.account, kept.start, kept.number_range[:length], kept.country, kept.provider
        before = sums.get(key, (0, 0))
        sums[key] = before[0] + kept.requested, before[1] + kept.verified

    for (account, _), message in messages.items():
        asked = message.state.requested
        if asked is not None and asked.number_range and asked.requested_at >= facts.ranges_from:
            hour = asked.requested_at // HOUR_MS * HOUR_MS
            values = facts.counted_as[account, asked.requested_at // DAY_MS, asked.dimensions]
            country, provider = (values[DIMENSIONS.index(name)] for name in ("country", "provider"))
            verified = int(message.verified)
            add_range(KeptRange(account, hour, asked.number_range, country, provider, 1, verified))
    for each in facts.kept_ranges:
        add_range(each)
    return sums


def range_counts(
    counted: Ranges,
    account: int,
    start: int = _FOREVER[0],
    end: int = _FOREVER[1],
    countries: Collection[str] | None = None,
) -> list[RangeCount]:
    """Return what `LedgerReader.ranges` has to answer."""
    found: dict[tuple[str, str, str], list[tuple[int, int, int]]] = defaultdict(list)
    for (of, hour, number_range, country, provider), (requested, verified) in counted.items():
        if of == account and hour < end and (countries is None or country in countries):
            found[number_range, country, provider].append((hour, requested, verified))
    answer = [
        RangeCount(
            *key,
            min(hour for hour, _, _ in rows),
            sum(requested for hour, requested, _ in rows if hour >= start),
            sum(verified for hour, _, verified in rows if hour >= start),
            sum(verified for hour, _, verified in rows if hour < start),
        )
        for key, rows in found.items()
    ]
    asked = (each for each in answer if each.requested)
    return sorted(asked, key=lambda each: (-each.requested, each.number_range, each.country, each.provider))


def _costs(ledger: LedgerReader, accounts: Collection[int], window: Window) -> Costs:
    return {
        ((account, each.group, each.slot), each.currency): (each.messages, each.micros)
        for account in accounts
        for each in ledger.costs(account, window, DIMENSIONS, {})
    }


def _session(messages: Iterable[Message], of: Requested) -> dict[Requested, bool]:
    """The messages of the same session, and whether each is verified; none without a session."""
    return {
        told: each.verified
        for each in messages
        if (told := each.state.requested) is not None
        and of.session_id
        and (told.account, told.session_id) == (of.account, of.session_id)
    }


def _values(dimensions: Dimensions) -> tuple[str, ...]:
    return tuple(getattr(dimensions, name) for name in DIMENSIONS)


def _counted(
    ledger: LedgerReader, account: int, window: Window
) -> Iterator[tuple[RollupKey, tuple[Tally, tuple[int, ...]]]]:
    found = ledger.counts(account, window, DIMENSIONS, {})
    assert len({(each.slot, each.group) for each in found}) == len(found), "a slot and group twice"
    for each in found:
        yield (account, each.group, each.slot), (each.tally, each.delays)
