"""The live watch of conversion rates, minute by minute."""

import pytest
from msgspec.structs import replace

from benchmarks.alerts import trials
from benchmarks.alerts.world import BEGIN, Recording, World, routes
from otpconv.alerts.conversion import MAX_MINUTES, ConversionWatch, age_for
from otpconv.alerts.leaves import Leaf
from otpconv.rates.slices import Slice
from otpconv.storage.alerts.contract import Change, Found
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, Count, Tally
from tests import campaigns

_DEAD = Slice((("country", "C1"), ("provider", "p2")))
_DEAD_CARRIER = Slice((("country", "C1"), ("carrier", "k1-1")))
_START = BEGIN + 28 * DAY_MS + 30 * MINUTE_MS
_FALLS = _START + 100 * MINUTE_MS


@pytest.mark.rounds
@pytest.mark.parametrize(
    ("which", "leaves"),
    campaigns.parameters(
        [(_DEAD, routes(3)), (_DEAD_CARRIER, routes(4, 3, 1))], [(_DEAD, routes(3))], "another kind of slice"
    ),
    ids=["a provider in a country", "a carrier in a country"],
)
def test_a_dead_route_is_found_within_5_minutes_of_its_first_50_messages(
    which: Slice, leaves: list[Leaf]
) -> None:
    worlds = campaigns.rounds(40, at_least=2)
    lives = [trials.fault(seed, which, leaves, left=0.0, a_day=6_000, hours=1) for seed in range(worlds)]
    assert sum(live.in_time for live in lives) >= 0.95 * worlds
    assert sum(live.named for live in lives) >= 0.95 * worlds
    assert sum(live.others for live in lives) <= 1 + 0.02 * worlds


@pytest.mark.campaign("only here: a fall takes hundreds of looks")
def test_a_fall_to_60_percent_takes_at_most_1_3_times_the_optimal_messages() -> None:
    worlds = campaigns.rounds(100, at_least=20)
    lost = []
    for seed in range(worlds):
        live = trials.fault(
            seed,
            _DEAD,
            routes(5),
            left=60 / 85,
            a_day=6_000,
            hours=24,
            median_s=8.0,
            rate=0.85,
            rhythm=False,
        )
        assert live.first is not None
        lost.append(live.lost_by(live.first - live.minutes * MINUTE_MS))
    slices, a_month = 30, 30 * 6_000 * 0.885
    optimum = trials.optimal_messages(0.85, 60 / 85, a_month * slices)
    assert sum(lost) / worlds <= 1.3 * optimum


def _recording() -> Recording:
    def left(leaf: Leaf, at: int) -> float:
        return 0.0 if leaf == ("C0", "", "p1") and _FALLS <= at < _FALLS + 40 * MINUTE_MS else 1.0

    world = World(3, routes(2), a_day=9_000, days=30, left=left)
    return world.recorded(_START - _START % HOUR_MS, _START + 3 * HOUR_MS, 2)


def _looks(source: Recording, *, restarts: bool = False) -> list[Change]:
    watch, parts, changes = ConversionWatch(1.0), dict[str, bytes](), list[Change]()
    for now in range(_START, _START + 3 * HOUR_MS, MINUTE_MS):
        changes += watch.look(now, source)
        if restarts:
            parts |= watch.memory()
            assert watch.memory() == {}
            watch = ConversionWatch(1.0)
            watch.recall(parts)
    return changes


def test_restarts_after_each_minute_change_nothing() -> None:
    source = _recording()
    without = _looks(source)
    first = next(change for change in without if isinstance(change, Found))
    assert first.values == (("country", "C0"), ("provider", "p1"))
    assert first.since_low <= _FALLS <= first.since_high
    assert _looks(source, restarts=True) == without


def test_reports_that_come_at_night_are_no_fall() -> None:
    source = _recording()
    source.minutes = {
        at: [_with(count, verified=0, first_verified=0) for count in counts]
        for at, counts in source.minutes.items()
    }
    assert _looks(source) == []


def test_all_messages_count_where_attempts_are_not_given() -> None:
    source = _recording()
    for spans in (source.minutes, source.hours):
        for at, counts in spans.items():
            spans[at] = [_with(count, first_requested=0, first_verified=0) for count in counts]
    found = [change for change in _looks(source) if isinstance(change, Found)]
    assert found
    assert not any(change.evidence.first_attempts for change in found)


def test_memory_of_another_version_is_ignored() -> None:
    watch = ConversionWatch(1.0)
    watch.recall({"conversion_fell": b"\x81", "conversion_fell/leaves/0": b"", "other": b""})
    assert watch.memory() == {}


@pytest.mark.parametrize(
    ("median_s", "minutes"), [(5.0, 1), (13.5, 2), (16.7, 2), (30.0, 3), (300.0, MAX_MINUTES)]
)
def test_messages_are_counted_once_nearly_all_who_verify_have_verified(median_s: float, minutes: int) -> None:
    bins = World(0, routes(1), median_s=median_s).bins
    assert age_for([10_000 * share for share in bins]) == minutes


def _with(count: Count, **tally: int) -> Count:
    values = {name: getattr(count.tally, name) for name in Tally.__struct_fields__}
    return replace(count, tally=Tally(**(values | tally)))
