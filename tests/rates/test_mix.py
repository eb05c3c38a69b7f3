"""The change with the same mix, in hundreds of generated worlds."""

from collections.abc import Iterator, Sequence
from random import Random

import pytest
from msgspec import Struct
from numpy.random import Generator, default_rng

from otpconv.rates.counted import Cell
from otpconv.rates.intervals import newcombe, wilson
from otpconv.rates.maturity import Expected
from otpconv.rates.mix import Stratum, contradiction, same_mix
from otpconv.rates.row import RateRow, Side
from otpconv.storage.contract import Tally

WORLDS = 400


class World(Struct):
    """The strata of two windows: their rates, their messages in each window, and the true change."""

    rates: list[float]
    before: list[int]
    now: list[int]
    change: float


def worlds(seed: int, change: float, *, shifted: bool) -> Iterator[World]:
    random = Random(seed)
    for _ in range(WORLDS):
        count = random.randint(2, 12)
        rates = [random.uniform(0.25, 0.85) for _ in range(count)]
        before = [random.choice([5, 40, 200, 1_000]) for _ in range(count)]
        now = [random.choice([5, 40, 200, 1_000]) if shifted else size for size in before]
        yield World(rates, before, now, change)


def side(cell: Cell) -> Side:
    requested, verified = cell.tally.requested, cell.tally.verified
    interval = wilson(verified, requested)
    return Side(
        requested, verified, 0, Expected(verified / requested, interval) if interval is not None else None
    )


def cell(random: Generator, size: int, rate: float) -> Cell:
    return Cell(Tally(requested=size, verified=int(random.binomial(size, rate))))


def counted(random: Generator, world: World) -> RateRow:
    """Return the row of all messages of a world."""
    strata = {
        (f"C{n % 3}", f"P{n % 4}", f"N{n}"): Stratum(
            cell(random, now, rate + world.change), cell(random, before, rate)
        )
        for n, (rate, before, now) in enumerate(zip(world.rates, world.before, world.now, strict=True))
    }
    return row_of(strata)


def row_of(strata: dict[tuple[str, ...], Stratum]) -> RateRow:
    both = Stratum(Cell(), Cell())
    for stratum in strata.values():
        both.now.add(stratum.now)
        both.before.add(stratum.before)
    now, before = side(both.now), side(both.before)
    mix = same_mix(strata, side, now, before)
    return RateRow(None, (), 0, now, now.requested, 0, (None, None, None), before, mix)


@pytest.mark.parametrize(("change", "shifted"), [(0.0, True), (0.0, False), (-0.1, True), (0.1, False)])
def test_the_interval_contains_the_true_change_in_93_percent_of_the_worlds(
    change: float,
    shifted: bool,  # noqa: FBT001 - a row of a table
) -> None:
    random = default_rng(1)
    inside = compared = 0
    for world in worlds(7, change, shifted=shifted):
        mix = counted(random, world).same_mix
        if mix is not None:
            compared += 1
            inside += mix.interval[0] <= change <= mix.interval[1]
    assert compared >= 0.9 * WORLDS
    assert inside / compared >= 0.93


def test_a_change_of_the_mix_alone_is_told_in_words_where_it_moves_the_rate() -> None:
    random = default_rng(3)
    moved = told = wrong = 0
    for world in worlds(11, 0.0, shifted=True):
        row = counted(random, world)
        if row.change is None or row.change_interval is None or row.same_mix is None:
            continue
        if abs(row.change) > 0.05 and not row.change_interval[0] <= 0 <= row.change_interval[1]:
            moved += 1
            text = contradiction(row) or ""
            told += "with the same mix" in text
            wrong += "but with" in text
    assert moved >= 100
    assert told / moved >= 0.8  # in the others, the rates are too uncertain
    assert wrong / moved <= 0.05


@pytest.mark.parametrize("change", [0.0, -0.1])
def test_worlds_without_a_change_of_the_mix_have_no_contradiction(change: float) -> None:
    random = default_rng(5)
    told = sum(
        contradiction(counted(random, world)) is not None for world in worlds(13, change, shifted=False)
    )
    assert told <= 0.01 * WORLDS


def test_every_country_gains_while_the_total_moves_otherwise() -> None:
    # The published rates of codes with 8 digits: before, now; the mix turned to the best country.
    rates = {"A": (0.26, 0.31), "B": (0.43, 0.46), "C": (0.15, 0.29), "D": (0.69, 0.85)}
    before, now = (
        {"A": 1_000, "B": 1_000, "C": 1_000, "D": 5_000},
        {"A": 6_000, "B": 4_000, "C": 6_000, "D": 500},
    )
    strata: dict[tuple[str, ...], Stratum] = {
        (country, "", ""): Stratum(
            Cell(Tally(requested=now[country], verified=round(now[country] * new))),
            Cell(Tally(requested=before[country], verified=round(before[country] * old))),
        )
        for country, (old, new) in rates.items()
    }
    row = row_of(strata)
    assert row.same_mix is not None
    assert row.change is not None
    assert row.change < 0 < row.same_mix.interval[0]
    assert "fell" in str(contradiction(row))
    assert "but with the same mix of countries, providers and carriers it rose by" in str(contradiction(row))


def test_with_one_stratum_it_is_the_change_and_its_interval() -> None:
    strata: dict[tuple[str, ...], Stratum] = {
        ("DE", "acme", "x"): Stratum(
            Cell(Tally(requested=300, verified=200)), Cell(Tally(requested=100, verified=80))
        )
    }
    mix = row_of(strata).same_mix
    assert mix is not None
    assert mix.change == pytest.approx(200 / 300 - 0.8)
    first, second = wilson(200, 300), wilson(80, 100)
    assert first is not None
    assert second is not None
    assert mix.interval == pytest.approx(newcombe(200 / 300, first, 0.8, second))


@pytest.mark.parametrize(
    ("now", "before", "share"),
    [
        ([400, 10], [400, 10], 1.0),
        ([400, 300], [400, 0], 800 / 1_100),  # a new provider is not
        ([100, 900], [100, 0], None),  # most messages are new
        ([0, 0], [100, 100], None),
    ],
)
def test_what_one_window_does_not_have_is_not_compared(
    now: Sequence[int], before: Sequence[int], share: float | None
) -> None:
    strata: dict[tuple[str, ...], Stratum] = {
        (f"C{n}", "p", ""): Stratum(
            Cell(Tally(requested=now[n], verified=now[n] // 2)), Cell(Tally(requested=before[n], verified=0))
        )
        for n in range(2)
    }
    mix = row_of(strata).same_mix
    assert (mix and mix.share) == (share if share is None else pytest.approx(share, abs=0.03))


def test_the_order_of_the_strata_makes_no_difference() -> None:
    random, shuffling = default_rng(3), Random(3)
    for world in list(worlds(5, 0.05, shifted=True))[:40]:
        strata = [
            ((f"C{n}",), Stratum(cell(random, now, rate), cell(random, before, rate)))
            for n, (rate, before, now) in enumerate(zip(world.rates, world.before, world.now, strict=True))
        ]
        mix = row_of(dict(strata)).same_mix
        shuffling.shuffle(strata)
        assert row_of(dict(strata)).same_mix == mix
