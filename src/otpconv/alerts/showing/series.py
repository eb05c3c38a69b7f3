"""The expected and the seen values of the slice of an alert, over time, from well before it began."""

from collections.abc import Collection, Mapping
from typing import Final

from msgspec import Struct

from otpconv.alerts.showing.expectation import Expectation, Quantity, Step
from otpconv.alerts.showing.usual import Hour, Usual
from otpconv.rates.delays import total
from otpconv.rates.fetch import learn_maturity
from otpconv.rates.plan import cover
from otpconv.storage.alerts.contract import Alert, Kind
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS, QUARTER_MS, Count, LedgerReader, Span, Tally

#: Alerts of other kinds are about a vendor account, not about messages.
_QUANTITIES: Final[dict[Kind, Quantity]] = {
    "conversion_fell": "verified",
    "reporter_stopped": "reported",
    "nothing_sent": "messages",
    "slower": "delay",
    "volume": "messages",
    "codes_entered": "verified",
    "reports_late": "messages",
}
#: Usual values are learned from so long before an alert, ms.
PAST_MS: Final = 28 * DAY_MS
#: The time before an alert that is shown, at least and at most, ms.
_LEAST_BEFORE, _MOST_BEFORE = 12 * HOUR_MS, 7 * DAY_MS
#: The most time that is shown, ms; of a longer alert it is the newest part.
MAX_SHOWN_MS: Final = 92 * DAY_MS
#: Steps, and the longest time with steps of this length, ms; longer times have steps of a day.
_STEPS = (
    (QUARTER_MS, 2 * DAY_MS),
    (2 * QUARTER_MS, 4 * DAY_MS),
    (HOUR_MS, 14 * DAY_MS),
    (6 * HOUR_MS, 60 * DAY_MS),
)
#: A step has usually at least so many messages, unless that takes steps of more than an hour.
_LEAST_MESSAGES = 10


class Series(Struct, frozen=True):
    """The expected and the seen values over time.

    Attributes:
        quantity: their kind.
        step_ms: the length of a step, ms.
        steps: by time.
    """

    quantity: Quantity
    step_ms: int
    steps: list[Step]


def filters_of(alert: Alert) -> dict[str, list[str]]:
    """Return the filters of a question about the messages of an alert; none if it is about something else."""
    return {name: [value] for name, value in alert.found.values if name in DIMENSIONS}


def is_about_messages(alert: Alert) -> bool:
    """Return whether an alert is about messages, not about a vendor account."""
    return alert.found.kind in _QUANTITIES


def fetch_series(ledger: LedgerReader, alert: Alert, now: int) -> Series | None:
    """Return expected and seen values over time; None for an alert that is not about messages.

    Args:
        ledger: where to look.
        alert: the alert.
        now: the time now, ms.

    Raises:
        Unavailable: the storage failed.
    """
    quantity = _QUANTITIES.get(alert.found.kind)
    if quantity is None:
        return None
    filters, since = filters_of(alert), alert.found.since
    first = alert.found.evidence.first_attempts
    edge = since // HOUR_MS * HOUR_MS
    past = _counts(ledger, alert, (max(0, edge - PAST_MS), edge), HOUR_MS, filters, delays=False)
    hours = {count.slot // HOUR_MS: _counted(count.tally, quantity, first=first) for count in past}
    learned = learn_maturity(ledger, alert.account, filters, end=edge, now=edge)
    before = Usual(hours, edge // HOUR_MS)
    usual = Expectation(before, learned.delays if learned else (), now)
    (start, end), step_ms = _shown(alert, before.an_hour, now)
    grain = HOUR_MS if step_ms >= HOUR_MS else QUARTER_MS
    counts = _counts(ledger, alert, (start, end), grain, filters, delays=quantity == "delay")
    by_slot = {count.slot: count for count in counts}
    steps = []
    for at in range(start, end, step_ms):
        slots = [(slot, by_slot.get(slot)) for slot in range(at, at + step_ms, grain) if slot < now]
        tallies = [
            (slot, _counted(one.tally if one else Tally(), quantity, first=first)) for slot, one in slots
        ]
        match quantity:
            case "messages":
                steps.append(usual.numbers(at, grain, tallies))
            case "delay":
                bins = total(one.delays for _, one in slots if one is not None)
                steps.append(usual.delay(at, at + step_ms, bins, tallies))
            case _:
                steps.append(usual.shares(at, grain, tallies))
    return Series(quantity, step_ms, steps)


def _shown(alert: Alert, an_hour: float, now: int) -> tuple[Span, int]:
    """Return the time to show, whole steps, and the length of a step, ms."""
    since = alert.found.since
    before = min(max(now - since, _LEAST_BEFORE), _MOST_BEFORE)
    end = now if alert.resolved_at is None else min(now, alert.resolved_at + before)
    start = max(0, since - before, end - MAX_SHOWN_MS)
    length = end - start
    steps = (step for step, longest in _STEPS if length <= longest)
    enough = (step for step in steps if step >= HOUR_MS or an_hour * step / HOUR_MS >= _LEAST_MESSAGES)
    step = next(enough, DAY_MS)
    return (start // step * step, -(-end // step) * step), step


def _counts(
    ledger: LedgerReader,
    alert: Alert,
    span: Span,
    step: int,
    filters: Mapping[str, Collection[str]],
    *,
    delays: bool,
) -> list[Count]:
    window = cover([span] if span[0] < span[1] else [], step=step, coarsest=step)
    return ledger.counts(alert.account, window, (), filters, delays=delays)


def _counted(tally: Tally, quantity: Quantity, *, first: bool) -> Hour:
    if quantity == "reported":
        return Hour(tally.requested, tally.reported)
    if first and quantity == "verified":
        return Hour(tally.first_requested, tally.first_verified)
    return Hour(tally.requested, tally.verified)
