"""The first finding of a verdict, and that it is good news only when all is well."""

from hypothesis import given, strategies as st

from otpconv.rates import RateRow
from otpconv.rates.intervals import wilson
from otpconv.rates.maturity import Expected
from otpconv.rates.row import Side
from otpconv.rates.signals import Assessment, Evidence, Signal
from otpconv.rates.slices import Slice
from otpconv.rates.verdict import judge

DROP = Signal("drop", Slice((("country", "DE"),)), 0, None, 100, 10, 75.0, 50)


def side(requested: int, verified: int) -> Side:
    interval = wilson(verified, requested)
    return Side(requested, verified, 0, Expected(verified / requested, interval) if interval else None)


def total(now: tuple[int, int], before: tuple[int, int]) -> RateRow:
    return RateRow(None, (), 0, side(*now), now[0], now[1], (None, None, None), side(*before))


def evidence(
    *, drops: int = 0, earlier: int = 0, expected: float = 100.0, learned_from: int = 1000
) -> Evidence:
    return Evidence(Assessment([], [DROP] * drops, expected, learned_from), [DROP] * earlier)


counts = st.tuples(st.integers(0, 2000), st.floats(0, 1)).map(lambda pair: (pair[0], int(pair[0] * pair[1])))


@given(
    now=counts,
    before=counts,
    drops=st.integers(0, 2),
    earlier=st.integers(0, 2),
    expected=st.floats(0, 200),
    learned_from=st.sampled_from([0, 1000]),
    lag=st.sampled_from([0, 0, 7]),
)
def test_it_is_fine_only_where_nothing_speaks_against_it(  # noqa: PLR0917
    now: tuple[int, int],
    before: tuple[int, int],
    drops: int,
    earlier: int,
    expected: float,
    learned_from: int,
    lag: int,
) -> None:
    row = total(now, before)
    found = evidence(drops=drops, earlier=earlier, expected=expected, learned_from=learned_from)
    verdict = judge(found, row, lag)
    assert (verdict.state == "behind") == (lag > 0)
    if verdict.state == "fine":
        assert (drops, earlier, lag) == (0, 0, 0)
        assert row.requested
        assert expected >= 20
        assert learned_from
        assert row.change is None or row.change > -0.05


def test_a_total_that_fell_without_a_single_cause_is_said_to_have_fallen() -> None:
    assert judge(evidence(), total((1000, 600), (1000, 750)), 0).state == "fell"
    assert judge(evidence(), total((20, 12), (20, 15)), 0).state == "fell"
    assert judge(evidence(), total((1000, 745), (1000, 750)), 0).state == "fine"


def test_what_is_broken_now_goes_before_what_was() -> None:
    row = total((1000, 745), (1000, 750))
    assert judge(evidence(drops=1, earlier=1), row, 0).state == "broken"
    assert judge(evidence(earlier=1), row, 0).state == "recovered"
