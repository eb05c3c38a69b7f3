"""The groups of a snapshot's questions, from the combinations that it has read."""

from collections.abc import Mapping
from typing import Any

from otpconv.storage.contract import DIMENSIONS
from otpconv.storage.postgres.ledger.combinations import MAX_KEPT_CHARS, Combinations

Row = tuple[Any, ...]


class _Ledger:
    """Two combinations of every day, whose ids and numbers are texts of some length.

    Attributes:
        reads: the days that were read.
    """

    def __init__(self, chars: int = 10) -> None:
        self.reads: list[tuple[int, int, int]] = []
        self._text = "{" + "1" * (chars - 2) + "}"

    def run(self, name: str, values: Mapping[str, Any]) -> list[Row]:
        assert name == "combinations"
        self.reads.append((values["account"], values["first"], values["last"]))
        nothing = ("",) * len(DIMENSIONS)
        known = ("ES", "c", "p", "t", "s", "sms", "k"), ("ES", "c", "q", "t", "s", "sms", "k")
        rows = [(number, *each, None, None) for number, each in enumerate(known, 1)]
        return [(0, *nothing, self._text, self._text), *rows]


def test_combinations_are_numbered_by_their_group_and_those_that_a_filter_leaves_out_have_none() -> None:
    combinations = Combinations(_Ledger().run)
    by_country = combinations.groups((1, 5, 6), ("country",), {})
    assert (by_country.values, by_country.arrays["groups"]) == ([("ES",)], "{1,1}")
    by_provider = combinations.groups((1, 5, 6), ("provider", "country"), {})
    assert (by_provider.values, by_provider.arrays["groups"]) == ([("p", "ES"), ("q", "ES")], "{1,2}")
    filtered = combinations.groups((1, 5, 6), (), {"provider": ["q"], "country": {"ES", "PT"}})
    assert (filtered.values, filtered.arrays["groups"]) == ([()], "{0,1}")


def test_days_within_a_few_more_that_were_read_are_not_read_again() -> None:
    ledger = _Ledger()
    combinations = Combinations(ledger.run)
    for days in ((1, 100, 190), (1, 100, 190), (1, 110, 190), (1, 189, 190), (2, 189, 190), (1, 189, 191)):
        combinations.groups(days, ("country",), {})
    assert ledger.reads == [(1, 100, 190), (1, 189, 190), (2, 189, 190), (1, 189, 191)]


def test_a_snapshot_keeps_a_bounded_number_of_combinations() -> None:
    ledger = _Ledger(MAX_KEPT_CHARS // 2)
    combinations = Combinations(ledger.run)
    for account in (1, 2, 1, 2):
        combinations.groups((account, 5, 6), ("country",), {})
    assert [account for account, _, _ in ledger.reads] == [1, 2, 2]
