"""Questions in PostgreSQL: their work follows the window, not the size of the ledger."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import product

import psycopg
import pytest

import postgresql
from otpconv.model import DELAY_BINS, Conversion
from otpconv.storage.buckets import bucket_of
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS, Tally, Window
from otpconv.storage.lookup import Lookup
from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.ledger.reader import PostgresLedgerReader

DAYS, MESSAGES = 40, 30_000
#: Long ago enough that every grain has rollups.
START = 20_000 * DAY_MS
END = START + DAYS * DAY_MS


def explain(url: str) -> None:
    """Let the server log the plan of each statement in new connections."""
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as admin:
        for setting in ("session_preload_libraries = auto_explain", "auto_explain.log_min_duration = 0"):
            admin.execute(f'ALTER DATABASE "{name}" SET {setting}')  # type: ignore[arg-type] - our own words


def fill(database: Database) -> None:
    """Write messages, and rollups of 40 days: of 20 combinations, by minute only some of the last day."""
    counts = ", ".join(["1"] * len(Tally.__struct_fields__) + ["0"] * DELAY_BINS)
    with closing(database.connect()) as connection:
        connection.execute("SET session_replication_role = replica")  # without triggers
        connection.execute(
            "INSERT INTO dimensions (bucket, account, day, country, carrier, provider, template, sender,"
            " channel, access_key) SELECT 0, 1, day, 'c' || n, '', 'p', '', '', 'sms', ''"
            " FROM generate_series(%s, %s) AS day, generate_series(1, 20) AS n",
            (START // DAY_MS, END // DAY_MS),
        )
        for grain, first, most in ((HOUR_MS, START, 20), (DAY_MS, START, 20), (MINUTE_MS, END - DAY_MS, 2)):
            connection.execute(
                f"INSERT INTO rollups SELECT 0, 1, %s, 1, start, id, {counts}"  # type: ignore[arg-type]  # noqa: S608
                " FROM generate_series(%s, %s - 1, %s) AS start JOIN dimensions ON day = start / 86400000"
                " WHERE country <= 'c' || %s OR %s = 20",
                (grain, first, END, grain, most, most),
            )
        connection.execute(
            "INSERT INTO cost_rollups"
            " SELECT bucket, writer, grain, account, start, dimensions, 'EUR', 1, 7000 FROM rollups"
        )
        connection.execute(
            "INSERT INTO receipts (bucket, account, vendor_message_id, delivered_at, error, segments, known)"
            " SELECT 0, 1, 'v' || n, %s, '', 1, true FROM generate_series(1, %s) AS n",
            (START, MESSAGES),
        )
        connection.execute(
            "INSERT INTO messages (id, bucket, account, message_id, requested_at, dimensions, number,"
            " number_range, session_id, attempt, vendor_message_id, receipt) SELECT n, bucket, 1, n::text,"
            " %s + n * 60000, 1, decode(lpad(to_hex(n / 2), 32, '0'), 'hex'), '', '', 1, 'v' || n, 6"
            " FROM unnest(%s::smallint[]) WITH ORDINALITY AS m (bucket, n)",
            (START, [bucket_of(1, str(number)) for number in range(1, MESSAGES + 1)]),
        )
        connection.execute("ANALYZE")


#: Each reads a small part: the edges of a day by minute, hours, and the days of a week.
WINDOWS = {
    "a day with its edges": Window(
        hours=((END - DAY_MS + HOUR_MS, END - HOUR_MS),),
        minutes=((END - DAY_MS + 20 * MINUTE_MS, END - DAY_MS + HOUR_MS), (END - HOUR_MS, END - MINUTE_MS)),
    ),
    "a week": Window(days=((END - 7 * DAY_MS, END),)),
    "a week by the hour": Window(hours=((END - 7 * DAY_MS, END),), step=HOUR_MS),
    "six hours by the quarter": Window(quarters=((END - 6 * HOUR_MS, END),), step=QUARTER_MS),
}


@pytest.fixture
def filled(url: str, database: Database) -> Database:
    fill(database)
    explain(url)
    return database


@contextmanager
def plans() -> Iterator[Callable[[], str]]:
    """Give the plans of the statements that run in this context."""
    with (postgresql.shared().folder / "log").open() as log:
        log.seek(0, os.SEEK_END)
        yield log.read


def test_no_question_about_a_window_reads_all_rollups_and_its_plan_is_kept(filled: Database) -> None:
    with closing(PostgresLedgerReader(filled)) as reader:
        for window, filters, delays in product(WINDOWS.values(), ({}, {"country": ["c1"]}), (True, False)):
            with plans() as logged:
                # Often enough for a plan that is kept.
                for _ in range(8):
                    assert reader.counts(1, window, ("provider",), filters, delays=delays)
                found = logged()
            assert found.count("on rollups") >= 8, (window, found)
            assert "Seq Scan on rollups" not in found, (window, found)
            _, _, last = found.rpartition("plan:")
            assert ("Filter" in last) == bool(filters), (window, last)
            # A plan for these values alone has the ids of their combinations in it.
            assert "'{" not in last, (window, last)
            with plans() as logged:
                assert reader.costs(1, window, ("provider",), filters)
                found = logged()
            assert " on cost_rollups" in found, (window, found)
            assert "Seq Scan on cost_rollups" not in found, (window, found)


def test_no_lookup_reads_all_messages(filled: Database) -> None:
    number = f"{7:032x}"
    conversion = Conversion(1, True, START + HOUR_MS, number=number)
    lookups: dict[str, Callable[[PostgresLedgerReader], object]] = {
        "message": lambda reader: reader.message(1, "7"),
        "states": lambda reader: reader.look_up(Lookup({1: ["7", "8"]}, {}, [])).states[1],
        "outlines": lambda reader: reader.look_up(Lookup({}, {1: ["7", "8"]}, [])).outlines[1],
        "by number": lambda reader: reader.look_up(Lookup({}, {}, [conversion])).owners,
        "messages of a number": lambda reader: reader.messages_of_number(1, number, 5),
        "erasure of a number": lambda reader: reader.erasure_of(1, number).messages,
        "old messages": lambda reader: reader.old_messages(START + 2 * HOUR_MS, 0).erasure,
        "receipts": lambda reader: reader.look_up(Lookup({}, {}, [], {1: ["v7", "v8"]})).receipts[1],
    }
    with closing(PostgresLedgerReader(filled)) as reader:
        for name, look_up in lookups.items():
            with plans() as logged:
                for _ in range(8):
                    assert look_up(reader), name
                found = logged()
            assert f" on {'receipts' if name == 'receipts' else 'messages'}" in found, (name, found)
            assert "Seq Scan on messages" not in found, (name, found)
            assert "Seq Scan on receipts" not in found, (name, found)
