"""A verification finds nothing in a ledger that grew from its journal, whatever happened to it."""

import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from ledger.recount import contents
from ledger.reports import ACCOUNTS, World, entries
from ledger.test_erasing import Deleting, exact, histories
from otpconv.errors import Misconfigured
from otpconv.model import Conversion, Expiry, Report, Requested
from otpconv.storage.bounds import BOUNDS, Bounds
from otpconv.storage.check_result import CheckResult
from otpconv.storage.sqlite.ledger import verify as verify_module, writer as writer_module
from otpconv.storage.sqlite.ledger.verify import require_room, verify
from otpconv.storage.verification import MAX_EXAMPLES, Row, Table, compare
from storage.engines import MEMORY, SqliteEngine, Storage

FOLDING = Bounds(values=1, combinations=2, routes=1)


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="otpconv-") as folder:
        yield Path(folder)


def quiet(*_: int) -> None:
    """Show no progress."""


def files(root: Path, storage: Storage) -> tuple[Path, Path]:
    return root / f"{storage.name}.ledger", root / f"{storage.name}.journal"


def verified(root: Path, storage: Storage, bounds: Bounds = BOUNDS) -> list[CheckResult]:
    return list(verify(*files(root, storage), quiet, bounds=bounds))


def problems(results: list[CheckResult]) -> list[CheckResult]:
    return [result for result in results if not result.ok]


@settings(deadline=None, max_examples=rounds(200))
@given(histories(), st.sampled_from([FOLDING, BOUNDS]), st.data())
def test_nothing_is_found_after_any_reports_expiries_and_deletions(
    history: tuple[World, list[Report | Expiry | int | str]], bounds: Bounds, data: st.DataObject
) -> None:
    world, steps = history
    between = [exact(each, numbers=False) for each in data.draw(st.lists(entries(world), max_size=2))]
    between = [each for each in between if not isinstance(each, Expiry)]
    with (
        tempfile.TemporaryDirectory(dir=MEMORY, prefix="otpconv-") as root,
        SqliteEngine(Path(root)).open(bounds=bounds) as storage,
    ):
        deleting = Deleting(storage, between if data.draw(st.booleans()) else [])
        with closing(deleting.eraser):
            for step in steps:
                if not deleting.deletes(step):
                    storage.append(step)
                    if data.draw(st.booleans()):
                        storage.apply_all((data.draw(st.integers(1, 4)),))
        # The ledger may lack the last reports.
        assert problems(verified(Path(root), storage, bounds)) == []


def test_what_the_server_applies_meanwhile_makes_no_difference(root: Path) -> None:
    with SqliteEngine(root).open() as storage:
        storage.record(*(Requested(1, f"m{number}", 1_000 * number) for number in range(50)))
        more = iter(range(50, 1_000))

        def report(*_: int) -> None:
            number = next(more)
            storage.record(Requested(1, f"m{number}", 1_000 * number))
            storage.append(Requested(1, f"later {number}", number))

        results = list(verify(*files(root, storage), report))
        assert problems(results) == []
        assert next(more) > 60
        position = next(result.text for result in results if result.check == "journal and ledger")
        # It has caught up with the first report, and names the one that the ledger lacks.
        assert position == "compared at position 51 of the journal; 1 later entries are not in the ledger yet"
        assert not [*root.glob("*.verify*")]


def test_a_second_ledger_that_a_killed_verification_left_is_removed(root: Path) -> None:
    with SqliteEngine(root).open() as storage:
        storage.record(Requested(1, "m", 1_000))
        left = root / f"{storage.name}.ledger.verify"
        left.write_text("half of a ledger")
        assert problems(verified(root, storage)) == []
        assert not left.exists()


def test_an_interrupted_verification_leaves_nothing(root: Path) -> None:
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with SqliteEngine(root).open() as storage:
        storage.record(Requested(1, "m", 1_000))
        before = contents(storage.ledger, ACCOUNTS)
        with pytest.raises(KeyboardInterrupt):
            list(verify(*files(root, storage), interrupt))
        assert not [*root.glob("*.verify*")]
        assert contents(storage.ledger, ACCOUNTS) == before


def test_a_verification_does_not_fill_the_disk_of_a_server(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    ledger.write_bytes(bytes(5_000))
    needed = 5_000 + verify_module._SPARE_BYTES  # noqa: SLF001 - the bound that is tested
    require_room(ledger, needed)
    with pytest.raises(Misconfigured, match=r"has 1\.0 GB free, but a second ledger needs 1\.0 GB"):
        require_room(ledger, needed - 1)


def test_a_bug_that_both_ledgers_have_is_found_by_the_recount(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = writer_module._SQL  # noqa: SLF001 - a wrong statement, as a bug would be
    monkeypatch.setitem(statements, "sum_hours", statements["sum_hours"].replace("sum(verified)", "0"))
    with SqliteEngine(root).open() as storage:
        storage.record(
            Requested(1, "m", 1_000), Conversion(1, delivered=True, conversion_time=2_000, message_id="m")
        )
        found = problems(verified(root, storage))
    assert {result.check for result in found} == {"rollups by hour, recounted", "routes, recounted"}
    assert all("a rebuild gives the same counts" in result.advice for result in found)


class Rows:
    """Some rows in memory, as a ledger gives them."""

    def __init__(self, *rows: Row) -> None:
        self._rows = rows

    def rows(self, table: Table) -> Iterator[Row]:
        del table
        yield from self._rows


def test_a_difference_says_which_row_and_what_it_should_be() -> None:
    table = Table("counts", "counts", ("account", "start", "country"), ("a", "b", "c", "d"))
    one, two = (1, 0, ""), (1, 60_000, "ES")
    held = Rows((*one, 1, 2, 3, 4), (*two, 1, 2, 3, 4), (2, 1 << 60, "ES", 0, 0, 0, 0))
    built = Rows((*one, 1, None, 3, 4), (*two, 0, b"\n", 0, 0), (1, 60_000, "PT", 1, 1, 1, 1))
    result = compare(table, held, built)
    assert (result.ok, result.text) == (False, "4 of 4 rows differ from what the journal gives")
    minute = "1970-01-01T00:01:00Z"
    wrong = "a is 1, must be 0; b is 2, must be 0a; c is 3, must be 0; and 1 more columns"
    assert result.examples == (
        "account 1, start 1970-01-01T00:00:00Z: b is 2, must be unknown",
        f"account 1, start {minute}, country ES: {wrong}",
        f"account 1, start {minute}, country PT: the row is missing",
        f"account 2, start {1 << 60}, country ES: the journal gives no such row",
    )


def test_only_some_examples_are_kept() -> None:
    table = Table("rows", "rows", ("id",))
    result = compare(table, Rows(*((number,) for number in range(1_000))), Rows())
    assert result.text == "1,000 of 1,000 rows differ from what the journal gives"
    assert len(result.examples) == MAX_EXAMPLES


def test_a_comparison_keeps_only_a_few_rows_in_memory() -> None:
    class Many:
        """1 GB of rows."""

        def rows(self, table: Table) -> Iterator[Row]:
            del table
            yield from ((number, bytes(1 << 20)) for number in range(1_000))

    tracemalloc.start()
    result = compare(Table("rows", "rows", ("id",), ("value",)), Many(), Many())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.ok
    assert peak < 16 << 20


def test_the_ledger_of_another_journal_is_a_difference(root: Path) -> None:
    engine = SqliteEngine(root)
    with engine.open() as one, engine.open() as other:
        for storage in (one, other):
            storage.record(Requested(1, "m", 1_000))
        results = list(verify(root / f"{one.name}.ledger", root / f"{other.name}.journal", quiet))
    (result,) = results
    assert not result.ok
    assert result.text == "the ledger was made from another journal"
    assert "otpconv ledger rebuild" in result.advice
