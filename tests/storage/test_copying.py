"""A copy of a storage into another one is equal, whatever was reported, deleted or interrupted meanwhile."""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from ledger.recount import contents
from ledger.reports import ACCOUNTS, DAY, World, hashed
from ledger.test_erasing import Deleting, Halfway, histories
from otpconv.cli.export import rows
from otpconv.cli.export_parquet import ParquetMessages
from otpconv.errors import Misconfigured, Unavailable
from otpconv.ledger.erasing import Eraser
from otpconv.model import Expiry, Report, Requested, SelfReportedRate
from otpconv.storage import copying
from otpconv.storage.check_result import CheckResult
from otpconv.storage.contract import Entry, LedgerWriter
from otpconv.storage.copying import Copy
from otpconv.storage.transfer import STATE, OneState, State, StoredRow, Transfer
from storage.engines import ALL, MEMORY, Engine, PostgresEngine, SqliteEngine, Storage


class Pair(NamedTuple):
    """Two engines, one to copy from and one to copy to."""

    source: Engine
    target: Engine


def name_of(kinds: tuple[type[Engine], ...]) -> str:
    return " to ".join(kind.__name__ for kind in kinds)


PAIRS = [(SqliteEngine, PostgresEngine), (PostgresEngine, SqliteEngine)]


@pytest.fixture(scope="module", params=PAIRS, ids=name_of)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with ExitStack() as opened:
        engines = []
        for kind in request.param:
            root = opened.enter_context(tempfile.TemporaryDirectory(prefix="otpconv-", dir=MEMORY))
            engines.append(kind(Path(root)))
            opened.callback(engines[-1].close)
        yield Pair(*engines)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "BATCH", 3)
    monkeypatch.setattr(copying, "_APPLIED", 2)
    monkeypatch.setattr(copying, "_CLOSE", 0)
    monkeypatch.setattr(copying, "_REWRITTEN", 1)


class Interrupted(Exception):
    pass


class Failing:
    """A target that fails once, before or after its n-th change."""

    def __init__(self, target: Transfer, changes: float, *, after: bool) -> None:
        self._target = target
        self._left = changes
        self._after = after

    def __getattr__(self, name: str) -> object:
        found = getattr(self._target, name)
        return (
            self._change(found) if name in {"append", "rewrite", "discard_ledger", "replace_state"} else found
        )

    def _change(self, change: Callable[..., None]) -> Callable[..., None]:
        def changed(*values: object) -> None:
            self._left -= 1
            if self._left < 0 and not self._after:
                raise Interrupted
            change(*values)
            if self._left < 0:
                raise Interrupted

        return changed


def copied(
    source: Storage, target: Storage, changes: float = float("inf"), *, after: bool = False
) -> list[CheckResult]:
    with closing(source.new_transfer()) as here, closing(target.new_transfer()) as there:
        return list(Copy(here, Failing(there, changes, after=after), lambda *_: None).run())  # type: ignore[arg-type]


def finish_deletions(storage: Storage) -> None:
    with closing(storage.new_eraser()) as journal:
        Eraser(storage.ledger, journal, storage.append, lambda _: None).finish()


@settings(deadline=None, max_examples=rounds(100))
@given(histories(), st.data())
@pytest.mark.long("makes and compares several ledgers for each history")
@pytest.mark.parametrize(
    "pair",
    [PAIRS[0], pytest.param(PAIRS[1], marks=pytest.mark.campaign("the other direction"))],
    indirect=True,
    ids=name_of,
)
def test_a_copy_is_equal_after_any_history_and_interruption(
    pair: Pair, history: tuple[World, list[Report | Expiry | int | str]], data: st.DataObject
) -> None:
    _, steps = history
    with pair.source.open() as source, pair.target.open() as target:
        for step in steps:
            if isinstance(step, int | str):
                delete(source, step, data.draw(st.sampled_from([0, 1, 100])))
            elif data.draw(st.booleans()):
                source.record(step)
            else:
                source.append(step)
            if data.draw(st.integers(0, 3)) == 0:
                target.close()
                with suppress(Interrupted):
                    copied(source, target, data.draw(st.integers(0, 6)), after=data.draw(st.booleans()))
                target.open()
        source.apply_all()
        target.close()
        results = copied(source, target)
        assert [result for result in results if not result.ok] == []
        target.open()
        for storage in (source, target):
            assert storage.writer.cursor() == storage.journal.head() == source.journal.head()
        held = contents(source.ledger, ACCOUNTS)
        assert contents(target.ledger, ACCOUNTS) == held
        assert exports(target) == exports(source)
        # The copy finishes the deletions that the original has not finished.
        for storage in (source, target):
            finish_deletions(storage)
        assert target.journal.read(0, ALL) == source.journal.read(0, ALL)
        with pair.target.open(target.name) as rebuilt:
            rebuilt.apply_all()
            assert contents(rebuilt.ledger, ACCOUNTS) == held
            assert exports(rebuilt) == exports(source)


def exports(storage: Storage) -> list[bytes]:
    """What `otpconv export` writes for each account, as NDJSON and as Parquet."""
    written = []
    for account in ACCOUNTS:
        lines, table = BytesIO(), BytesIO()
        parquet = ParquetMessages(table)
        for message in storage.ledger.messages(account):
            parquet.write(message)
            lines.writelines(msgspec.json.encode(row) + b"\n" for row in rows(message))
        parquet.close()
        written += [lines.getvalue(), table.getvalue()]
    return written


def delete(storage: Storage, what: int | str, taken: int) -> None:
    """Delete messages before a time or of a number; the journal is erased in so many steps at most."""
    eraser = Eraser(
        storage.ledger,
        Halfway(storage.new_eraser(), taken),
        Deleting(storage, []).record,
        lambda _: None,
    )
    with closing(eraser), suppress(Unavailable):
        eraser.prune(what) if isinstance(what, int) else eraser.forget(1, hashed(1, what))


def test_nonces_and_times_and_every_fact_come_along(pair: Pair) -> None:
    with pair.source.open() as source, pair.target.open() as target:
        entries = [
            Entry(Requested(1, f"m{n}", DAY, number=hashed(1, "5")), 70 + n, DAY + n) for n in range(9)
        ]
        for number, entry in enumerate(entries):
            source.journal.append([entry, Entry(SelfReportedRate(1, DAY + number, number / 9))], DAY + number)
        source.journal.append([Entry(Expiry(5, DAY))], DAY + 100)
        source.apply_all()
        target.close()
        copied(source, target)
        target.open()
        assert target.journal.read(0, ALL) == source.journal.read(0, ALL)
        assert target.journal.nonces(0, ALL) == source.journal.nonces(0, ALL)
        assert target.journal.newest_report_time() == DAY + 8
        # It goes on like any other journal.
        assert target.append(Requested(1, "next", DAY)) == source.journal.head() + 1


def test_a_deleted_number_does_not_come_back_with_a_copy_that_was_begun_before(pair: Pair) -> None:
    number = hashed(1, "5")
    with pair.source.open() as source, pair.target.open() as target:
        source.record(
            *(Requested(1, f"m{n}", DAY, number=number) for n in range(5)), Requested(1, "stays", DAY)
        )
        target.close()
        copied(source, target)
        delete(source, "5", 100)
        results = copied(source, target)
        assert [result for result in results if not result.ok] == []
        assert any("erased" in result.text for result in results)
        target.open()
        assert [message.message_id for message in target.ledger.messages(1)] == ["stays"]
        with closing(target.new_transfer()) as there:
            assert number.encode() not in b"".join(row.reports or b"" for row in there.rows(0, ALL))


class Held:
    """Notes whether a state of the source's ledger is held while the target builds its own."""

    def __init__(self, source: Transfer, target: Transfer) -> None:
        self.source, self.target = source, target
        self.is_held = False
        self.built: list[tuple[bool, int]] = []

    @contextmanager
    def ledger(self) -> Iterator[OneState]:
        with self.source.ledger() as held:
            self.is_held = True
            yield held
        self.is_held = False

    def ledger_writer(self) -> LedgerWriter:
        writer = self.target.ledger_writer()
        self.built.append((self.is_held, self.target.head() - writer.cursor()))
        return writer


class Side:
    def __init__(self, side: Transfer, instead: Held, name: str) -> None:
        self._side = side
        setattr(self, name, getattr(instead, name))

    def __getattr__(self, name: str) -> object:
        return getattr(self._side, name)


def test_the_source_is_not_held_while_a_deletion_has_the_ledger_built_again(pair: Pair) -> None:
    with pair.source.open() as source, pair.target.open() as target:
        source.record(*(Requested(1, f"m{n}", DAY, number=hashed(1, "5")) for n in range(5)))
        target.close()
        copied(source, target)
        delete(source, "5", 100)
        with closing(source.new_transfer()) as here, closing(target.new_transfer()) as there:
            held = Held(here, there)
            sides = Side(here, held, "ledger"), Side(there, held, "ledger_writer")
            results = list(Copy(*sides, lambda *_: None).run())  # type: ignore[arg-type]
        assert [result for result in results if not result.ok] == []
        assert (False, source.journal.head()) in held.built
        assert {lag for is_held, lag in held.built if is_held} == {0}


def test_a_target_with_other_data_is_refused_and_stays_as_it_is(pair: Pair) -> None:
    with pair.source.open() as source, pair.target.open() as target:
        source.record(Requested(1, "a", DAY), Requested(1, "b", DAY))
        target.record(Requested(1, "c", DAY))
        before = contents(target.ledger, ACCOUNTS)
        with pytest.raises(Misconfigured, match="other data"):
            copied(source, target)
        assert contents(target.ledger, ACCOUNTS) == before
    with pair.source.open() as source, pair.target.open() as target:
        source.record(Requested(1, "a", DAY))
        target.record(Requested(1, "a", DAY), Requested(1, "b", DAY))
        with pytest.raises(Misconfigured, match="other data"):
            copied(source, target)


def test_a_source_whose_ledger_has_more_than_its_journal_is_refused(pair: Pair) -> None:
    with pair.source.open() as source, pair.target.open() as target:
        source.record(Requested(1, "a", DAY))
        with closing(source.new_transfer()) as here, closing(target.new_transfer()) as there:
            copy = Copy(here, there, lambda *_: None)
            with here.ledger() as held, pytest.raises(Misconfigured, match="ledger rebuild"):
                copy._apply(held.position())  # noqa: SLF001 - before the journal is copied


def test_somebody_who_writes_to_the_target_is_noticed(pair: Pair) -> None:
    with pair.source.open() as source, pair.target.open() as target:
        source.record(*(Requested(1, f"m{n}", DAY) for n in range(8)))
        row = StoredRow(1, DAY, None, None, b"[[0]]", None, erased=True)
        with closing(target.new_transfer()) as there:
            with pytest.raises(Misconfigured, match="stop what else"):
                there.append(7, [row])
            there.append(0, [row])
            assert there.head() == 1


def state(copy: int) -> State:
    """Rows of every table; with another number, other rows."""
    return {
        "accounts": [(1, "default"), (2, f"shop {copy}")],
        "users": [(3, 1, "admin", 5, 0), (4, 2, "Zoë", 6, 7)],
        "roles": [(1, 2, "Reader", 3600, 8)],
        "policies": [(2, "mine", '{"Statement": []}', 9)],
        "user_policies": [(3, "AdministratorAccess"), (4, "mine")],
        "role_policies": [(1, "mine")],
        "access_keys": [
            (f"key {copy}", 3, b"\x00\xff sealed", 1, 5, None, 0),
            ("other", 4, b"s", 0, 5, 11, 12),
        ],
        "sign_outs": [(f"key {copy}", b"\x01" * 32, 99)],
        "user_sign_outs": [(4, b"\x02" * 32, 99)],
        "saved_views": [(2, 1, "today", "by=country", "admin", 5)],
        "vendor_accounts": [(3, 1, "ali", "alibaba", "ali", "{}", b"\x03" * 32, 5, 0, 12, 6)],
        "alert_targets": [(4, 1, "on-call", "webhook", "{}", "{}", b"\x04" * 32, 5)],
        "price_lists": [(2, '[["acme", "DE", "", 0, 75000, "EUR"]]')],
        "annotations": [(7, 2, DAY, "release; 'quoted' “so”", "Zoë", 6)],
    }


def test_access_and_annotations_are_replaced_as_a_whole(pair: Pair) -> None:
    with pair.source.open() as source, pair.target.open() as target:
        with closing(source.new_transfer()) as here, closing(target.new_transfer()) as there:
            for number in (1, 2):
                here.replace_state(state(number))
                assert {name: sorted(rows) for name, rows in here.state().items()} == state(number)
            assert list(state(1)) == list(STATE)
        source.record(Requested(1, "m", DAY))
        copied(source, target)
        with closing(target.new_transfer()) as there:
            assert {name: sorted(rows) for name, rows in there.state().items()} == state(2)
    # Into a target that has keys and no reports yet.
    with pair.source.open() as source, pair.target.open() as target:
        with closing(target.new_transfer()) as there:
            there.replace_state(state(3))
        with pytest.raises(Misconfigured, match="access keys of its own"):
            copied(source, target)


@pytest.mark.parametrize("engine_name", ["sqlite", "postgres"])
def test_every_table_that_can_not_be_rebuilt_is_copied(engine_name: str) -> None:
    """A new table needs a place in `STATE`, or a reason here."""
    folder = Path(copying.__file__).parent / engine_name
    texts = [file.read_text() for file in (*folder.glob("access/*.sql"), folder / "annotations.sql")]
    columns = {
        table: {line.split()[0] for line in body.splitlines() if re.match(r"\s+[a-z_]+ +[a-zA-Z]+\b", line)}
        for text in texts
        for table, body in re.findall(
            r"CREATE TABLE (?:IF NOT EXISTS )?(\w+) \((.*?)\)[ \w,]*;", text, re.DOTALL
        )
    }
    # Each storage counts its own changes, checks its own sealing key, and remembers used links for two hours.
    for own in ("access_version", "sealing", "used_once"):
        columns.pop(own, None)
    assert columns.keys() == STATE.keys()
    for table, names in STATE.items():
        assert columns[table] == {*names}, table
