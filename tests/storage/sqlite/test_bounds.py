"""What a question costs is bounded: in steps of SQLite's machine, so that no clock decides."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from otpconv.model import Conversion, Dimensions, Report, Requested, SelfReportedRate
from otpconv.storage.bounds import BOUNDS
from otpconv.storage.contract import (
    DAY_MS,
    HOUR_MS,
    MAX_SELF_REPORTED,
    MINUTE_MS,
    Entry,
    LedgerReader,
    Window,
)
from otpconv.storage.sqlite import (
    SqliteJournal,
    SqliteLedgerReader,
    SqliteLedgerWriter,
)
from otpconv.storage.sqlite.ledger import reader as reader_module

DAY = 20_000 * DAY_MS


class Counting(SqliteLedgerReader):
    """Counts the steps it takes, in hundreds."""

    hundreds = 0

    def _is_late(self) -> bool:
        self.hundreds += 1
        return super()._is_late()


Cost = Callable[[Iterable[Report], Callable[[LedgerReader], object]], int]


@pytest.fixture
def cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cost]:
    """Records reports, and counts the steps that a question takes after them, in hundreds."""
    monkeypatch.setattr(reader_module, "_STEPS", 100)
    with (
        closing(SqliteJournal(tmp_path / "j")) as journal,
        closing(SqliteLedgerWriter(tmp_path / "l", tmp_path / "j")) as writer,
        closing(Counting(tmp_path / "l")) as ledger,
    ):

        def counted(reports: Iterable[Report], question: Callable[[LedgerReader], object]) -> int:
            journal.append([Entry(report) for report in reports], DAY)
            while writer.cursor() < journal.head():
                writer.apply(5_000)
            with ledger.snapshot():
                before = ledger.hundreds
                question(ledger)
            return ledger.hundreds - before

        yield counted


def messages(template: str, numbers: range, at: int = DAY) -> list[Report]:
    """One a minute, each with a template of its own."""
    return [
        Requested(
            1, f"{template}{n}", at + n * MINUTE_MS % DAY_MS, Dimensions("DE", template=f"{template}{n}")
        )
        for n in numbers
    ]


def test_more_templates_than_are_kept_apart_cost_a_question_nothing(cost: Cost) -> None:
    def rates(ledger: LedgerReader) -> object:
        return ledger.counts(1, Window(days=((DAY, DAY + DAY_MS),)), (), {})

    full = cost(messages("t", range(2 * BOUNDS.values)), rates)
    assert cost(messages("u", range(5_000)), rates) <= 1.02 * full


def test_the_dimensions_of_other_days_cost_a_question_nothing(cost: Cost) -> None:
    def rates(ledger: LedgerReader) -> object:
        return ledger.counts(1, Window(hours=((DAY, DAY + HOUR_MS),)), (), {})

    alone = cost(messages("t", range(50)), rates)
    before = [each for back in range(1, 30) for each in messages(f"{back}-", range(50), DAY - back * DAY_MS)]
    assert cost(before, rates) <= alone + 1


def test_days_that_are_over_cost_the_routes_nothing(cost: Cost) -> None:
    def routes(ledger: LedgerReader) -> object:
        return ledger.routes(1, 100)

    def days(numbers: range) -> list[Report]:
        return [Requested(1, f"m{n}", DAY - n * DAY_MS, Dimensions("DE", provider="acme")) for n in numbers]

    few = cost(days(range(10)), routes)
    assert cost(days(range(10, 2_000)), routes) <= few + 1


@pytest.mark.parametrize("about", ["message", "number"])
def test_what_is_unmatched_is_known_without_counting(cost: Cost, about: str) -> None:
    def conversions(numbers: range) -> list[Report]:
        return [
            Conversion(1, delivered=True, conversion_time=DAY + n, message_id=f"m{n}")
            if about == "message"
            else Conversion(1, delivered=True, conversion_time=DAY + n, number=f"{n:016}")
            for n in numbers
        ]

    def unmatched(ledger: LedgerReader) -> object:
        return ledger.unmatched(1)

    few = cost(conversions(range(100)), unmatched)
    assert cost(conversions(range(100, 5_000)), unmatched) <= few + 1


def test_any_number_of_self_reported_rates_costs_a_question_the_same(cost: Cost) -> None:
    def rates(numbers: range) -> list[Report]:
        return [SelfReportedRate(1, DAY + n, 0.5) for n in numbers]

    def asked(ledger: LedgerReader) -> object:
        found = ledger.self_reported(1, 0, DAY + DAY_MS)
        assert len(found) == MAX_SELF_REPORTED
        return ledger.count_self_reported(1, 0, DAY + DAY_MS)

    full = cost(rates(range(12_000)), asked)
    assert cost(rates(range(12_000, 24_000)), asked) <= full + 1
