"""Damage in the journal: found, named, and set aside without harm to the rest."""

import random
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from otpconv.errors import Misconfigured, Unavailable
from otpconv.model import Expiry, Requested
from otpconv.storage.check_result import CheckResult
from otpconv.storage.contract import Entry
from otpconv.storage.sqlite import (
    SqliteJournal,
    SqliteLedgerReader,
    SqliteLedgerWriter,
    findings,
    prepare,
    rebuild,
)
from storage.engines import MEMORY

NOW = 1_800_000_000_000
DAY = 1_750_032_000_000
ROWS = 6
#: Entries of each row.
EACH = 3


def quiet(_done: int, _total: int) -> None:
    pass


def ids_of(row: int) -> set[str]:
    return {f"message {row}.{n}" for n in range(EACH)}


def filled(path: Path) -> None:
    """A journal of `ROWS` rows, as a server leaves it."""
    with closing(SqliteJournal(path)) as journal:
        for row in range(ROWS):
            entries = [
                Entry(Requested(1, id_, DAY + row, session_id="päron"), row + 1, NOW)
                for id_ in sorted(ids_of(row))
            ]
            journal.append(entries, NOW + row)


def sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def untyped(path: Path) -> None:
    """Let any column hold anything, as damage in the file does."""
    sql(
        path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(replace(sql, ' STRICT', ''), ' NOT NULL', '')"
        " WHERE name IN ('about', 'batches')",
    )


def position(row: int) -> int:
    return (row + 1) * EACH


Damage = Callable[[Path], set[int]]  # does it, and returns the rows whose reports are no longer good


def overwritten(row: int, at: int, by: int) -> Damage:
    def damage(path: Path) -> set[int]:
        content = bytearray(path.read_bytes())
        start = content.index(f'[[1,1,"message {row}.0"'.encode())
        end = content.index(b"]]", start)
        place = start + at % (end - start)
        content[place] ^= by
        path.write_bytes(content)
        return {row}

    return damage


def updated(row: int, change: str, *, spoils: bool = True) -> Damage:
    def damage(path: Path) -> set[int]:
        untyped(path)
        sql(path, f"UPDATE batches SET {change} WHERE seq = {position(row)}")  # noqa: S608
        return {row} if spoils else set()

    return damage


def swapped(row: int, other: int) -> Damage:
    def damage(path: Path) -> set[int]:
        a, b = position(row), position(other)
        sql(
            path,
            f"UPDATE batches SET seq = 1000 WHERE seq = {a}",  # noqa: S608
            f"UPDATE batches SET seq = {a} WHERE seq = {b}",  # noqa: S608
            f"UPDATE batches SET seq = {b} WHERE seq = 1000",  # noqa: S608
        )
        return {row, other}

    return damage


def deleted(row: int) -> Damage:
    def damage(path: Path) -> set[int]:
        sql(path, f"DELETE FROM batches WHERE seq = {position(row)}")  # noqa: S608
        return {row}

    return damage


ANY = st.integers(0, ROWS - 1)
#: A last row that is not there any more is for the ledger to notice.
MIDDLE = st.integers(0, ROWS - 2)
#: A text that is not UTF-8.
UNDECODABLE = "CAST(X'FF00FE' AS TEXT)"
CHANGES = [
    "reports = replace(reports, '0', '7')",
    "reports = substr(reports, 1, length(reports) / 2)",
    "reports = ''",
    "reports = NULL",
    "reports = CAST('[[1]]' AS BLOB)",
    "reports = X'FF00FE'",
    "reports = 17",
    "reports = '[' || reports || ']'",
    "recorded_at = 'yesterday'",
    "recorded_at = recorded_at + 1",
    "recorded_at = NULL",
    "recorded_at = 1e300",
    "nonces = '[[1]]'",
    "nonces = X'80'",
    "nonces = NULL",
    "unmatched_before = 5",
    "unmatched_before = 5, minutes_from = 5, reports = NULL",
    "checksum = NULL",
    "checksum = checksum + 1",
    "checksum = 'x'",
    f"reports = {UNDECODABLE}",
]
DAMAGES = st.one_of(
    st.builds(overwritten, ANY, st.integers(0, 200), st.integers(1, 255)),
    st.builds(updated, ANY, st.sampled_from(CHANGES)),
    st.builds(swapped, st.just(1), st.sampled_from([0, 3, 5])),
    st.builds(deleted, MIDDLE),
)


def rows_finding(journal: Path, ledger: Path) -> CheckResult:
    return next(
        each for each in findings(journal, ledger, [], served=False, now=NOW) if each.check == "journal rows"
    )


def counted(ledger_path: Path) -> set[str]:
    with closing(SqliteLedgerReader(ledger_path)) as ledger:
        return {message.message_id for message in ledger.messages(1)}


@pytest.mark.long("every example writes and checks a whole journal")
@given(damage=DAMAGES)
@settings(max_examples=rounds(120))
def test_damage_is_found_and_named_and_set_aside_leaves_all_the_rest(damage: Damage) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as root:
        journal, ledger = Path(root) / "journal", Path(root) / "ledger"
        filled(journal)
        bad = damage(journal)
        finding = rows_finding(journal, ledger)
        assert not finding.ok
        assert "the row at position" in finding.text
        assert "--set-aside" in finding.advice
        with pytest.raises(Misconfigured, match=r"the row at position \d+ .*--set-aside") as refusal:
            rebuild(ledger, journal, quiet)
        assert str(journal) in refusal.value.text
        with closing(SqliteJournal(journal)) as opened:
            opened.nonces(0, 100)  # what the start of a server reads
            before = opened.head()
            problems = opened.set_aside()
            assert problems
            assert opened.set_aside() == []
            assert opened.append([Entry(Requested(1, "later", DAY))], NOW) == before + 1
        rebuild(ledger, journal, quiet)
        good = set().union(*(ids_of(row) for row in range(ROWS) if row not in bad))
        assert counted(ledger) == good | {"later"}
        finding = rows_finding(journal, ledger)
        assert finding.ok
        assert f"{len(problems)} damaged" in finding.text
        prepare(ledger, journal)


@given(seed=st.integers(0, 1 << 32), places=st.integers(1, 40))
@settings(max_examples=rounds(80))
def test_random_bytes_anywhere_in_the_file_are_noticed_or_harm_nothing(seed: int, places: int) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as root:
        journal, ledger = Path(root) / "journal", Path(root) / "ledger"
        filled(journal)
        chance = random.Random(seed)
        content = bytearray(journal.read_bytes())
        for _ in range(places):
            content[chance.randrange(100, len(content))] = chance.randrange(256)
        journal.write_bytes(content)
        every = set().union(*map(ids_of, range(ROWS)))
        found = [
            each for each in findings(journal, ledger, [], served=False, now=NOW) if "journal" in each.check
        ]
        good = all(each.ok for each in found if each.check in {"journal", "journal rows"})
        # Whatever it is, it is one of our errors, and what can still be read is counted as it was reported.
        try:
            with closing(SqliteJournal(journal)) as opened:
                opened.nonces(0, 100)
                opened.set_aside()
            rebuild(ledger, journal, quiet)
        except (Misconfigured, Unavailable):
            assert not good
        else:
            assert counted(ledger) <= every
            assert counted(ledger) == every or not good


@pytest.mark.parametrize(
    "change",
    ["identity = NULL", "identity = 'x'", f"identity = {UNDECODABLE}", "identity = 7", "unchecked = NULL"],
)
def test_a_damaged_identity_is_named(tmp_path: Path, change: str) -> None:
    journal, ledger = tmp_path / "journal", tmp_path / "ledger"
    filled(journal)
    untyped(journal)
    sql(journal, f"UPDATE about SET {change}")  # noqa: S608 - our own words
    damaged = [each for each in findings(journal, ledger, [], served=False, now=NOW) if not each.ok]
    assert any("identity of the journal is damaged" in each.text for each in damaged)
    with pytest.raises(Misconfigured, match="restore the journal from a backup"):
        SqliteJournal(journal)


@pytest.mark.parametrize("row", [0, 2, ROWS - 1])
@pytest.mark.parametrize(
    "change", ["chain = chain + 1", "chain = NULL", "chain = 'x'", f"chain = {UNDECODABLE}", "chain = -1e300"]
)
def test_a_damaged_chain_value_costs_no_report(tmp_path: Path, row: int, change: str) -> None:
    journal, ledger = tmp_path / "journal", tmp_path / "ledger"
    filled(journal)
    updated(row, change, spoils=False)(journal)
    assert not rows_finding(journal, ledger).ok
    with closing(SqliteJournal(journal)) as opened:
        opened.set_aside()
    rebuild(ledger, journal, quiet)
    assert counted(ledger) == set().union(*map(ids_of, range(ROWS)))
    assert rows_finding(journal, ledger).ok


def test_the_applier_stops_before_a_damaged_row_and_goes_no_further(tmp_path: Path) -> None:
    journal, ledger = tmp_path / "journal", tmp_path / "ledger"
    filled(journal)
    updated(3, "reports = replace(reports, '1', '2')")(journal)
    with closing(SqliteLedgerWriter(ledger, journal)) as writer:
        assert writer.apply(position(2)) == position(2)
        with pytest.raises(Misconfigured, match=f"position {position(3)} is damaged"):
            writer.apply(100)
        assert writer.cursor() == position(2)


@pytest.mark.parametrize("after", [0, position(2) - 1, position(2), position(3) - 1])
def test_a_follower_reads_up_to_a_damaged_row_and_past_it_once_it_is_set_aside(
    tmp_path: Path, after: int
) -> None:
    journal = tmp_path / "journal"
    filled(journal)
    updated(3, "reports = replace(reports, '1', '2')")(journal)
    with closing(SqliteJournal(journal)) as opened:
        if after < position(2):
            before = [entry.position for entry in opened.read(after, 100)]
            assert before == list(range(after + 1, position(2) + 1))
        with pytest.raises(Misconfigured, match=f"position {position(3)} is damaged"):
            opened.read(max(after, position(2)), 100)
        opened.set_aside()
        rest = opened.read(max(after, position(2)), 100)
        assert [entry.position for entry in rest] == list(range(position(3) + 1, position(ROWS - 1) + 1))


def test_a_follower_does_not_read_past_a_gap(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    filled(journal)
    sql(journal, f"DELETE FROM batches WHERE seq = {position(3)}")  # noqa: S608
    with closing(SqliteJournal(journal)) as opened:
        assert opened.read(0, 100)[-1].position == position(2)
        with pytest.raises(Misconfigured, match=f"position {position(4)} does not follow the row before it"):
            opened.read(position(2), 100)


def test_a_row_that_was_set_aside_stays_in_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    filled(journal)
    updated(3, "reports = 'gone'")(journal)
    with closing(SqliteJournal(journal)) as opened:
        opened.set_aside()
    with closing(sqlite3.connect(journal)) as connection:
        found = connection.execute(
            "SELECT seq, reports, problem FROM set_aside JOIN batches USING (seq) WHERE kind = 'row'"
        ).fetchall()
    assert found == [(position(3), "gone", "its checksum differs")]


def test_a_damaged_expiry_is_not_applied(tmp_path: Path) -> None:
    journal, ledger = tmp_path / "journal", tmp_path / "ledger"
    filled(journal)
    with closing(SqliteJournal(journal)) as opened:
        seq = opened.append([Entry(Expiry(DAY, DAY))], NOW)
    sql(journal, f"UPDATE batches SET minutes_from = minutes_from * 2 WHERE seq = {seq}")  # noqa: S608
    with closing(SqliteJournal(journal)) as opened:
        opened.set_aside()
    rebuild(ledger, journal, quiet)
    with closing(SqliteLedgerReader(ledger)) as read:
        assert read.minutes_from() == 0


def of_version_1(path: Path) -> None:
    """What an otpconv left that wrote no checksums."""
    filled(path)
    sql(
        path,
        "ALTER TABLE batches RENAME TO newer",
        "CREATE TABLE batches (seq INTEGER PRIMARY KEY, recorded_at INTEGER NOT NULL,"
        " unmatched_before INTEGER, minutes_from INTEGER, reports TEXT, nonces TEXT) STRICT",
        "INSERT INTO batches SELECT seq, recorded_at, unmatched_before, minutes_from, reports, nonces"
        " FROM newer",
        "DROP TABLE newer",
        "DROP TABLE about",
        "DROP TABLE set_aside",
        "PRAGMA user_version = 1",
    )


def test_rows_of_before_there_were_checksums_are_read_and_new_ones_are_checked(tmp_path: Path) -> None:
    journal, ledger = tmp_path / "journal", tmp_path / "ledger"
    of_version_1(journal)
    assert "not checked" in rows_finding(journal, ledger).text
    with closing(SqliteJournal(journal)) as opened:
        assert opened.had_keys()
        opened.append([Entry(Requested(1, "new", DAY))], NOW)
    rebuild(ledger, journal, quiet)
    assert counted(ledger) == set().union(*map(ids_of, range(ROWS))) | {"new"}
    assert rows_finding(journal, ledger).ok
    sql(journal, "UPDATE batches SET reports = replace(reports, 'new', 'old')")
    assert f"position {ROWS * EACH + 1} is damaged" in rows_finding(journal, ledger).text


@pytest.mark.parametrize(
    "change", ["reports = substr(reports, 2)", "reports = '[[9]]'", "reports = '[]'", "nonces = '{}'"]
)
def test_a_row_without_a_checksum_that_can_not_be_decoded_is_named(tmp_path: Path, change: str) -> None:
    journal, ledger = tmp_path / "journal", tmp_path / "ledger"
    of_version_1(journal)
    sql(journal, f"UPDATE batches SET {change} WHERE seq = {position(2)}")  # noqa: S608
    with pytest.raises(Misconfigured, match=f"position {position(2)}"):
        rebuild(ledger, journal, quiet)
    with closing(SqliteJournal(journal)) as opened:
        assert len(opened.set_aside()) == 1
    rebuild(ledger, journal, quiet)
    assert counted(ledger) >= set().union(*(ids_of(row) for row in range(ROWS) if row != 2))
