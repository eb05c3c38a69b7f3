"""A verification finds every row that was changed, lost or added, in any column of the schema."""

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pytest

from campaigns import rounds
from ledger.recount import contents
from ledger.reports import ACCOUNTS, DAY, DIMENSION_SETS, hashed
from ledger.test_erasing import Deleting
from otpconv.model import Conversion, Expiry, Report, Requested, SelfReportedRate, Timing
from otpconv.receipts import FAILURES, Receipt, ReceiptStatus
from otpconv.storage.bounds import Bounds
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS
from otpconv.storage.erasure import Deletion, Erasure, RangeLength
from otpconv.storage.sqlite import SqliteLedgerReader, SqliteLedgerWriter
from otpconv.storage.sqlite.ledger.binding import misfit_of, read_bound
from otpconv.storage.sqlite.ledger.verify import SqliteContents, checks
from storage.engines import ALL, MEMORY, SqliteEngine

BOUNDS = Bounds(values=3, combinations=4, routes=2)
#: Columns whose values say nothing that an answer depends on, and why.
SAYS_NOTHING = {
    ("messages", "id"): "the order of an export",
    ("messages", "number_reported"): "0 and NULL mean the same",
    ("dimensions", "id"): "of a combination that no message and no count refers to any more",
    ("progress", "only"): "keeps the table at one row",
    ("source", "only"): "keeps the table at one row",
}
#: Tables in which a row of zeros means the same as no row.
ZEROS = {"unmatched", "routes"}

Row = tuple[Any, ...]


class Damage(NamedTuple):
    """A change of a table: these rows are replaced by those.

    Attributes:
        kind: changed, swapped, lost, or extra.
        table: the table.
        columns: all of its columns.
        column: which column is changed or swapped; empty for whole rows.
        gone: the rows that are deleted.
        new: the rows that are added.
    """

    kind: str
    table: str
    columns: tuple[str, ...]
    column: str
    gone: tuple[Row, ...]
    new: tuple[Row, ...]

    def do(self, connection: apsw.Connection) -> None:
        """Raises `apsw.ConstraintError` if the schema does not allow it."""
        names = ", ".join(self.columns)
        where = " AND ".join(f"{name} IS ?" for name in self.columns)
        for row in self.gone:
            connection.execute(f"DELETE FROM {self.table} WHERE {where}", row)  # noqa: S608
        for row in self.new:
            if row[0] is None:  # SQLite would choose a number
                raise apsw.ConstraintError
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO {self.table} ({names}) VALUES ({marks})", row)  # noqa: S608

    @property
    def says_nothing(self) -> bool:
        """Whether this changes no answer, so that it need not be found."""
        rows = self.gone + self.new
        zeros = self.table in ZEROS and all(row[-2:] == (0, 0) for row in rows)
        return zeros or (self.table, self.column) in SAYS_NOTHING


def receipt(chance: random.Random, account: int, named: str, at: int) -> Receipt:
    status = chance.choice([*ReceiptStatus])
    error = chance.choice(["", "E1"]) if status in FAILURES else ""
    price = chance.choice([None, 5, 7_000_000])
    return Receipt(account, named, status, at, error, price, "EUR" if price else "", chance.randrange(3))


def history(chance: random.Random) -> Iterator[Report | Deletion | int | str]:
    """Reports of two accounts and three days, with an expiry, a prune (a time) and a `forget` (a number)."""
    begins = DAY - DAY_MS

    def time() -> int:
        return (
            begins
            + chance.choice([0, 1, 2]) * DAY_MS
            + chance.randrange(90) * MINUTE_MS
            + chance.randrange(3)
        )

    def some(count: int, name: str) -> Iterator[Report]:
        for number in range(count):
            account = chance.choice(ACCOUNTS)
            to = hashed(account, chance.choice(["", "5", "6", "7", "8"]))
            message_id = f"{name}{number}"
            at = time()
            dimensions = chance.choice(DIMENSION_SETS)
            session, attempt = chance.choice(["", "", "s", "t", "u"]), chance.choice([0, 1, 1, 2])
            if chance.random() < 0.9:
                name = chance.choice(["", "", f"v{message_id}", "shared"])
                yield Requested(account, message_id, at, dimensions, to, to and "346", session, attempt, name)
                yield receipt(chance, account, name or message_id, at + chance.randrange(5_000))
            for _ in range(chance.randrange(3)):
                delivered = chance.random() < 0.7
                when = at + chance.randrange(-5, 3_600_000)
                if to and chance.random() < 0.4:
                    yield Conversion(account, delivered, when, "", to)
                else:
                    yield Conversion(account, delivered, when, message_id, to, chance.choice([*Timing]))
            if chance.random() < 0.1:
                yield SelfReportedRate(account, at, chance.random())

    yield from some(30, "a")
    for account in ACCOUNTS:
        yield Conversion(account, True, begins - DAY_MS, "", hashed(account, "9"))
    yield Expiry(0, DAY + HOUR_MS // 2)
    yield from some(30, "b")
    yield "8"
    yield Erasure(0, 0, range_lengths=(RangeLength(1, DAY // DAY_MS, "ES", 2),))
    yield from some(10, "c")
    yield begins + 30 * MINUTE_MS
    yield from some(10, "d")
    for account in ACCOUNTS:
        yield Conversion(account, True, DAY + 3 * DAY_MS, "", hashed(account, "9"))
        yield Conversion(account, True, DAY + 3 * DAY_MS, "unmatched", "")
        yield receipt(chance, account, "unknown", DAY + 3 * DAY_MS)
    yield Expiry(begins, DAY + HOUR_MS)


@contextmanager
def world(root: Path, chance: random.Random) -> Iterator[tuple[Path, Path, Path]]:
    """A ledger that has rows in every table, its journal, and the ledger that a rebuild gives."""
    with SqliteEngine(root).open(bounds=BOUNDS) as storage:
        deleting = Deleting(storage, [])
        with closing(deleting.eraser):
            for step in history(chance):
                if not deleting.deletes(step):
                    storage.record(step)
        ledger, journal = root / f"{storage.name}.ledger", root / f"{storage.name}.journal"
        built = root / "built"
        with closing(SqliteLedgerWriter(built, journal, bounds=BOUNDS)) as writer:
            assert writer.apply(ALL) == storage.writer.cursor()
        yield ledger, journal, built


def tables(connection: apsw.Connection) -> dict[str, tuple[str, ...]]:
    """The columns of all tables of the schema, without the computed ones."""
    names = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    ).fetchall()
    columns = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0"
    return {
        str(name): tuple(str(each) for (each,) in connection.execute(columns, (name,))) for (name,) in names
    }


def other_values(value: object, chance: random.Random) -> list[object]:
    """Values of the same kind that differ, and NULL."""
    others: list[object] = [None]
    if value is None:
        others = [1, DAY + 1, "x", b"x"]
    elif isinstance(value, int):
        others += [value + 1, value - 1, value + chance.randrange(2, 100_000_000)]
    elif isinstance(value, float):
        others += [value / 2 + 0.01]
    elif isinstance(value, str):
        others += [f"{value}x", value[1:] if value else "y"]
    elif isinstance(value, bytes):
        others += [value + b"\0"]
    chance.shuffle(others)
    return others


def damages(connection: apsw.Connection, chance: random.Random) -> Iterator[list[Damage]]:
    """For every kind, table and column: some that are possible; the constraints may refuse each."""
    for table, columns in tables(connection).items():
        rows = connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()  # noqa: S608
        assert rows, f"no row in {table}: the history lacks something"
        row = chance.choice(rows)
        yield [Damage("lost", table, columns, "", (row,), ())]
        extra = [
            with_value(row, place, other)
            for place in range(len(row))
            for other in other_values(row[place], chance)
        ]
        chance.shuffle(extra)
        yield [Damage("extra", table, columns, "", (), (new,)) for new in extra]
        for place, column in enumerate(columns):
            row = chance.choice(rows)
            yield [
                Damage("changed", table, columns, column, (row,), (with_value(row, place, other),))
                for other in other_values(row[place], chance)
            ]
            yield list(swaps(table, columns, place, rows, chance))


def with_value(row: Row, place: int, value: object) -> Row:
    return (*row[:place], value, *row[place + 1 :])


def swaps(
    table: str, columns: tuple[str, ...], place: int, rows: Sequence[Row], chance: random.Random
) -> Iterator[Damage]:
    """Two rows that differ in a column, and in another one, exchange their values of that column."""
    for _ in range(20):
        one, two = chance.choice(rows), chance.choice(rows)
        new = with_value(one, place, two[place]), with_value(two, place, one[place])
        if set(new) != {one, two}:
            yield Damage("swapped", table, columns, columns[place], (one, two), new)


def is_found(connection: apsw.Connection, built: apsw.Connection, ledger: Path, journal: Path) -> bool:
    """Whether the comparison, the recounts, or the check of the position find something."""
    if misfit_of(read_bound(connection), journal) is not None:
        return True
    held, other = SqliteContents(ledger, connection), SqliteContents(ledger, built)
    return not all(result.ok for result in checks(held, other, connection, lambda *_: None))


def answers(ledger: Path, damage: Damage | None = None) -> object:
    """What a copy of a ledger answers after some damage."""
    copy = ledger.with_name("copy")
    with closing(apsw.Connection(str(ledger))) as connection:
        copy.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(copy),))
    with closing(apsw.Connection(str(copy))) as connection:
        connection.pragma("ignore_check_constraints", value=True)
        if damage is not None:
            damage.do(connection)
    with closing(SqliteLedgerReader(copy)) as reader:
        held = contents(reader, ACCOUNTS)
        routes = [reader.routes(account, 100) for account in ACCOUNTS]
        return held, routes, reader.messages_from()


@pytest.mark.parametrize("seed", range(rounds(10, at_least=1)))
def test_every_change_that_changes_an_answer_is_found(seed: int) -> None:
    chance = random.Random(seed)
    done: list[Damage] = []
    unseen: list[Damage] = []
    with (
        tempfile.TemporaryDirectory(dir=MEMORY, prefix="otpconv-") as root,
        world(Path(root), chance) as (ledger, journal, rebuilt),
        closing(apsw.Connection(str(ledger))) as connection,
        closing(apsw.Connection(str(rebuilt))) as built,
    ):
        connection.pragma("ignore_check_constraints", value=True)
        assert not is_found(connection, built, ledger, journal)
        for possible in [*damages(connection, chance)]:
            for damage in possible:
                connection.execute("BEGIN")
                try:
                    damage.do(connection)
                    found = is_found(connection, built, ledger, journal)
                except apsw.ConstraintError:
                    continue
                finally:
                    connection.execute("ROLLBACK")
                done.append(damage)
                if not found:
                    unseen.append(damage)
                break
        sound = answers(ledger)
        for damage in unseen:
            assert damage.says_nothing, damage
            assert answers(ledger, damage) == sound
        columns = {(table, each) for table, names in tables(connection).items() for each in names}
    assert {(damage.table, damage.column) for damage in done if damage.kind == "changed"} == columns
    assert {damage.table for damage in done if damage.kind == "lost"} == {table for table, _ in columns}
    assert len(unseen) < len(done) / 20
