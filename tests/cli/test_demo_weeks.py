"""The traffic of `otpconv demo --serve`: what the dashboard says about it, for many seeds and times."""

from collections.abc import Collection, Mapping, Sequence
from random import Random

import pytest

from campaigns import parameters, rounds
from otpconv.cli.demo.weeks import APPLICATIONS, PUMPED_RANGE, Sent, Weeks
from otpconv.model import DELAY_BINS, delay_bin
from otpconv.ranges.finding import FLAGGED
from otpconv.ranges.mixture import judge
from otpconv.ranges.number_plan import carrier_of
from otpconv.ranges.question import usual_span
from otpconv.ranges.traffic import roll_up
from otpconv.rates import RateQuery
from otpconv.rates.evidence import find_evidence
from otpconv.rates.fetch import learn_maturity
from otpconv.rates.signals import Evidence
from otpconv.rates.slices import Group, Slice
from otpconv.storage.bounds import BOUNDS
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS, MINUTE_MS, Count, Tally, Window
from otpconv.storage.range_counts import RangeCount

NOW = 1_800_000_000_000
SEEDS = rounds(30, at_least=2)


class Counted:
    """The counts of messages, as a ledger would give them to `find_evidence`."""

    def __init__(self, messages: Sequence[Sent], now: int) -> None:
        self._slots: dict[int, dict[int, dict[Group, list[int]]]] = {
            length: {} for length in (DAY_MS, HOUR_MS, MINUTE_MS)
        }
        for sent in messages:
            group, places = group_of(sent), self._places(sent, now)
            for length, slots in self._slots.items():
                slot = slots.setdefault(sent.requested_at // length * length, {})
                sums = slot.get(group)
                if sums is None:
                    sums = slot[group] = [0] * (3 + DELAY_BINS)
                for place in places:
                    sums[place] += 1

    @staticmethod
    def _places(sent: Sent, now: int) -> tuple[int, ...]:
        """The places of the sums that a message counts in: requested, verified, reported, and its delay."""
        if sent.answered_at is None or sent.answered_at > now:
            return (0,)
        if not sent.verified:
            return 0, 2
        return 0, 1, 2, 3 + delay_bin(sent.answered_at - sent.requested_at)

    def counts(
        self,
        account: int,
        window: Window,
        by: Sequence[str],
        filters: Mapping[str, Collection[str]],
        *,
        delays: bool = True,
        limit: int = 0,
    ) -> list[Count]:
        assert account == 1
        sums: dict[tuple[int, Group], list[int]] = {}
        places = [DIMENSIONS.index(name) for name in by]
        spans = (
            (DAY_MS, window.days),
            (HOUR_MS, window.hours),
            (MINUTE_MS, (*window.quarters, *window.minutes)),
        )
        for length, parts in spans:
            for start, end in parts:
                for slot, groups in self._slots[length].items():
                    if not start <= slot < end:
                        continue
                    for group, counts in groups.items():
                        if all(group[DIMENSIONS.index(name)] in kept for name, kept in filters.items()):
                            key = (
                                slot // (window.step or 1) * (window.step or 0),
                                tuple(group[n] for n in places),
                            )
                            old = sums.get(key)
                            sums[key] = (
                                counts if old is None else [a + b for a, b in zip(old, counts, strict=True)]
                            )
        assert not limit or len(sums) <= limit
        return [
            Count(slot, group, Tally(one[0], one[1], reported=one[2]), tuple(one[3:]) if delays else ())
            for (slot, group), one in sums.items()
        ]

    def minutes_from(self) -> int:
        return 0


def group_of(sent: Sent) -> Group:
    phone = sent.phone
    application = sent.application
    return (
        phone.country,
        phone.carrier,
        sent.provider,
        sent.template,
        sent.sender,
        sent.channel,
        application,
    )


def history(weeks: Weeks, now: int) -> list[Sent]:
    return [
        sent
        for start in range(weeks.start, now, HOUR_MS)
        for sent in weeks.between(start, min(start + HOUR_MS, now))
    ]


def judged(messages: Sequence[Sent], now: int) -> Evidence:
    """What the dashboard finds in its last 24 hours."""
    ledger = Counted(messages, now)
    query = RateQuery((now - DAY_MS) // HOUR_MS * HOUR_MS, now)
    maturity = learn_maturity(ledger, 1, {}, end=now, now=now)  # type: ignore[arg-type] - what it asks for
    return find_evidence(ledger, 1, query, maturity, now)  # type: ignore[arg-type] - likewise


def flagged(messages: Sequence[Sent], now: int) -> list[str]:
    """The ranges that look like fraud."""
    start, end = usual_span(now)
    sums: dict[tuple[str, str, str], list[int]] = {}
    for sent in messages:
        if sent.requested_at < end:
            key = (sent.phone.number_range, sent.phone.country, sent.provider)
            counts = sums.setdefault(key, [sent.requested_at, 0, 0, 0])
            verified = sent.verified and sent.answered_at is not None
            counts[0] = min(counts[0], sent.requested_at)
            if sent.requested_at >= start:
                counts[1] += 1
                counts[2] += verified
            else:
                counts[3] += verified
    counted = [RangeCount(*key, *counts) for key, counts in sums.items() if counts[1]]
    found = judge(roll_up(counted, carrier_of), (start, end))
    return [each.traffic.number_range for each in found if each.posterior > FLAGGED]


# A seed takes about 4 s of CPU.
@pytest.mark.long("makes up two weeks of traffic for each of many seeds")
@pytest.mark.parametrize("seed", parameters(range(SEEDS), [0], "other seeds"))
def test_the_failing_route_the_silent_application_and_the_pumped_range_are_named(seed: int) -> None:
    # All hours of the day and days of the week.
    now = NOW + Random(seed).randrange(7 * DAY_MS)
    weeks = Weeks(seed, now)
    messages = history(weeks, now)
    found = judged(messages, now).now
    country, provider = weeks.broken
    assert found.drops[0].slice == Slice((("country", country), ("provider", provider)))
    assert abs(found.drops[0].since - weeks.broken_since) <= HOUR_MS // 2
    assert [silence.slice for silence in found.silences] == [Slice((("access_key", weeks.silent),))]
    assert flagged(messages, now) == [PUMPED_RANGE]


def test_the_traffic_has_the_rhythm_of_days_and_weeks_and_fits_the_bounds() -> None:
    weeks = Weeks(1, NOW)
    messages = history(weeks, NOW)
    assert 100_000 < len(messages) < 200_000
    assert len({sent.message_id for sent in messages}) == len(messages)
    by_hour = [sum(sent.requested_at // HOUR_MS % 24 == hour for sent in messages) for hour in range(24)]
    assert max(by_hour) > 1.5 * min(by_hour)
    by_day: dict[int, set[Group]] = {}
    for sent in messages:
        by_day.setdefault(sent.requested_at // DAY_MS, set()).add(group_of(sent))
    assert max(map(len, by_day.values())) < BOUNDS.combinations
    assert all(len(set(values)) > 1 for values in zip(*map(group_of, messages), strict=True))
    assert {sent.application for sent in messages} == set(APPLICATIONS)
    assert {sent.attempt for sent in messages} == {1, 2, 3}
    assert all("" not in (sent.phone.country, sent.phone.carrier) for sent in messages)


def test_the_same_seed_and_time_give_the_same_traffic_and_it_goes_on() -> None:
    one, other = Weeks(3, NOW), Weeks(3, NOW)
    start = NOW - HOUR_MS
    assert list(one.between(start, NOW)) == list(other.between(start, NOW))
    later = [
        sent for second in range(600) for sent in one.between(NOW + second * 1000, NOW + (second + 1) * 1000)
    ]
    assert later
    assert all(NOW <= sent.requested_at < NOW + 600_000 for sent in later if sent.attempt == 1)
    assert all(sent.answered_at is None for sent in later if sent.application == one.silent)
