"""The storage engines behind one handle: what knows which engine it is, is here and nowhere else."""

import os
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import apsw
import psycopg
import pytest
from psycopg.pq import TransactionStatus

import postgresql
from campaigns import parameters
from otpconv.access.store import AccessStore
from otpconv.clock import Clock
from otpconv.model import Conversion, MessageState, Report, Requested
from otpconv.storage.alerts.contract import AlertStore
from otpconv.storage.alerts.store import STATEMENTS as ALERTS, TableAlertStore
from otpconv.storage.bounds import BOUNDS, Bounds
from otpconv.storage.contract import Entry, LedgerReader, LedgerWriter
from otpconv.storage.erasure import Deletion, JournalEraser
from otpconv.storage.journal import Journal
from otpconv.storage.lookup import Lookup
from otpconv.storage.postgres.access.store import PostgresAccessStore
from otpconv.storage.postgres.address import Address
from otpconv.storage.postgres.connection import Connection
from otpconv.storage.postgres.database import Database
from otpconv.storage.postgres.distribution.tables import distribute
from otpconv.storage.postgres.journal.eraser import PostgresJournalEraser
from otpconv.storage.postgres.journal.journal import PostgresJournal
from otpconv.storage.postgres.ledger.distributed_reader import DistributedLedgerReader
from otpconv.storage.postgres.ledger.reader import PostgresLedgerReader
from otpconv.storage.postgres.ledger.writer import PostgresLedgerWriter
from otpconv.storage.postgres.migrations import LEDGER, STATE, create_schema
from otpconv.storage.postgres.tables import SharedTables
from otpconv.storage.postgres.transfer import PostgresTransfer
from otpconv.storage.relay.contract import RelayStore
from otpconv.storage.relay.store import STATEMENTS as RELAY, TableRelayStore
from otpconv.storage.sqlite import (
    SqliteJournal,
    SqliteJournalEraser,
    SqliteLedgerReader,
    SqliteLedgerWriter,
)
from otpconv.storage.sqlite.access import SqliteAccessStore
from otpconv.storage.sqlite.alerts import alerts_file
from otpconv.storage.sqlite.relay import relay_file
from otpconv.storage.sqlite.transfer import SqliteTransfer
from otpconv.storage.transfer import Transfer

T = TypeVar("T")
#: Files and sections of the SQL of an engine.
Files = tuple[tuple[str, str], ...]

#: Some instant, ms: the time of recording where it makes no difference.
NOW = 1_800_000_000_000
#: Thousands of small commits: nobody pulls the plug here, so they need not wait for a disk.
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
#: More than any test has in its journal.
ALL = 1_000_000


class Storage:
    """A journal, and a ledger that follows it.

    Attributes:
        name: what the engine calls the journal.
        new_journal, new_ledger_writer, new_ledger: open one more, as another process or thread does.
        new_eraser, new_transfer: likewise.
    """

    journal: Journal
    writer: LedgerWriter
    ledger: LedgerReader

    def __init__(
        self,
        name: str,
        journal: Callable[[], Journal],
        writer: Callable[[], LedgerWriter],
        ledger: Callable[[], LedgerReader],
        eraser: Callable[[], JournalEraser],
        *,
        transfer: Callable[[], Transfer],
    ) -> None:
        self.name = name
        self.new_journal = journal
        self.new_ledger_writer = writer
        self.new_ledger = ledger
        self.new_eraser = eraser
        self.new_transfer = transfer
        self.open()

    def open(self) -> None:
        self.journal, self.writer, self.ledger = (
            self.new_journal(),
            self.new_ledger_writer(),
            self.new_ledger(),
        )

    def close(self) -> None:
        self.ledger.close()
        self.writer.close()
        self.journal.close()

    def reopen(self) -> None:
        """What a restart does."""
        self.close()
        self.open()

    def append(self, *reports: Report | Deletion, recorded_at: int = NOW) -> int:
        return self.journal.append([Entry(report) for report in reports], recorded_at)

    def states(self, account: int, message_ids: Collection[str]) -> dict[str, MessageState]:
        """The states of the known messages, by the reports with their id."""
        return self.ledger.look_up(Lookup({account: message_ids}, {}, [])).states[account]

    def outlines(self, account: int, message_ids: Collection[str]) -> dict[str, MessageState]:
        """The same, but of each request only its time and number."""
        return self.ledger.look_up(Lookup({}, {account: message_ids}, [])).outlines[account]

    def newest(self, account: int, number: str, at: int) -> Requested | None:
        """The message that a conversion known by number alone is about."""
        conversion = Conversion(account, delivered=True, conversion_time=at, number=number)
        return self.ledger.look_up(Lookup({}, {}, [conversion])).owners.get(conversion)

    def has_conversion(self, conversion: Conversion) -> bool:
        """Whether this very conversion, known by number alone, is in the ledger."""
        return conversion in self.ledger.look_up(Lookup({}, {}, [conversion])).conversions

    def record(self, *reports: Report | Deletion) -> None:
        """Bring reports into the journal and the ledger, in this order."""
        for report in reports:
            self.append(report)
        self.apply_all()

    def apply_all(self, limits: Sequence[int] = (ALL,)) -> None:
        """Apply to the end of the journal, in transactions of up to `limits` entries by turns."""
        turn = 0
        while self.writer.cursor() < self.journal.head():
            self.writer.apply(limits[turn % len(limits)])
            turn += 1


def at_once(coroutine: Coroutine[None, None, T]) -> T:
    """Return what a coroutine returns that has nothing to wait for: SQLite answers at once."""
    try:
        coroutine.send(None)
    except StopIteration as returned:
        result: T = returned.value
        return result
    raise AssertionError("it waits")


class Access(NamedTuple):
    """An access store of a test's own.

    Attributes:
        open: opens it once more, as another process does.
        run: runs a statement behind its back, and returns the number that it gives.
    """

    open: Callable[[Clock], AccessStore]
    run: Callable[[str], int | None]


class Engine(Protocol):
    """What a storage engine has to bring along to be tested."""

    def __init__(self, root: Path) -> None: ...

    def open(self, journal: str = "", bounds: Bounds = BOUNDS) -> AbstractContextManager[Storage]:
        """Open a new ledger of a new journal, or of the one named `journal`; closed on leaving."""

    def relay(self) -> AbstractContextManager[RelayStore]:
        """Open what the relay keeps, new and empty."""

    def alerts(self) -> AbstractContextManager[Callable[[], AlertStore]]:
        """Give what opens the same alerts, new and empty, as another process or thread does."""

    def access(self) -> AbstractContextManager[Access]:
        """Open a new access store."""

    def close(self) -> None:
        """Stop what the tests of this engine have shared."""


class SqliteEngine:
    """Files below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names = count()

    @contextmanager
    def open(self, journal: str = "", bounds: Bounds = BOUNDS) -> Iterator[Storage]:
        new = str(next(self._names))
        ledger_path = self._root / f"{new}.ledger"
        journal_path = self._root / f"{journal or new}.journal"
        access_path = self._root / f"{journal or new}.access"
        annotations_path = self._root / f"{journal or new}.annotations"
        storage = Storage(
            journal or new,
            lambda: SqliteJournal(journal_path),
            lambda: SqliteLedgerWriter(ledger_path, journal_path, bounds=bounds),
            lambda: SqliteLedgerReader(ledger_path),
            lambda: SqliteJournalEraser(journal_path, ledger_path),
            transfer=lambda: SqliteTransfer(journal_path, ledger_path, access_path, annotations_path),
        )
        try:
            yield storage
        finally:
            storage.close()

    @contextmanager
    def relay(self) -> Iterator[RelayStore]:
        store = relay_file(self._root / f"{next(self._names)}.relay")
        yield store
        store.close()

    @contextmanager
    def alerts(self) -> Iterator[Callable[[], AlertStore]]:
        path = self._root / f"{next(self._names)}.alerts"
        opened: list[AlertStore] = []

        def open_one() -> AlertStore:
            opened.append(alerts_file(path))
            return opened[-1]

        yield open_one
        for store in opened:
            store.close()

    @contextmanager
    def access(self) -> Iterator[Access]:
        path = self._root / f"{next(self._names)}.access"

        def run(statement: str) -> int | None:
            with closing(apsw.Connection(str(path))) as connection:
                found = connection.execute(statement).get
            return found if isinstance(found, int) else None

        yield Access(lambda clock: SqliteAccessStore(path, clock), run)

    def close(self) -> None:
        pass


class TidyDatabase(Database):
    """Closes the connections that a test has left open."""

    opened: list[psycopg.Connection[tuple[Any, ...]]]

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        connection = super().connect()
        self.opened.append(connection)
        return connection


class ThriftyDatabase(Database):
    """Keeps connections for the next example: their plans and temporary tables take most of its time.

    `storage/postgres/` tests connections that are opened again.
    """

    idle: dict[tuple[str, str], list[psycopg.Connection[tuple[Any, ...]]]]
    used: list[psycopg.Connection[tuple[Any, ...]]]

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        kept = self.idle.setdefault((self.schema, self.ledger_schema), [])
        connection = kept.pop() if kept else super().connect()
        self._configure(connection)  # an applier of a Citus sets another search path

        def keep() -> None:
            if connection in self.used:
                self.used.remove(connection)
                if connection.info.transaction_status == TransactionStatus.IDLE:
                    kept.append(connection)
                else:
                    psycopg.Connection.close(connection)

        connection.close = keep  # type: ignore[method-assign]
        self.used.append(connection)
        return connection


#: Of schemas: pytest may make an engine several times, on the same server; other processes use a Citus too.
_numbers = count()
_OURS = f"{os.getpid()}_{time.time_ns() // 1_000_000}"


class PostgresEngine:
    """Schemas of one database, used again by the next test."""

    programs = staticmethod(postgresql.debians)
    reader: type[PostgresLedgerReader] = PostgresLedgerReader

    def __init__(self, root: Path) -> None:  # noqa: ARG002 - the server has a folder of its own
        url = self._url()
        self._address = Address(url)
        self._admin: Connection = Connection.connect(url, autocommit=True)
        self._admin.execute("SET session_replication_role = replica")  # what empties a table fires no trigger
        self._idle: dict[tuple[str, str], list[psycopg.Connection[tuple[Any, ...]]]] = {}
        self._journals: list[str] = []
        self._ledgers: list[str] = []

    @contextmanager
    def open(self, journal: str = "", bounds: Bounds = BOUNDS) -> Iterator[Storage]:
        schema = journal or self._schema(self._journals, "journal", STATE)
        ledger = self._schema(self._ledgers, "ledger", LEDGER, schema)
        database = ThriftyDatabase(self._address, schema=schema, ledger_schema=ledger)
        database.idle, database.used = self._idle, []
        storage = Storage(
            schema,
            lambda: PostgresJournal(database),
            lambda: PostgresLedgerWriter(database, bounds=bounds),
            lambda: self.reader(database),
            lambda: PostgresJournalEraser(database),
            transfer=lambda: PostgresTransfer(database),
        )
        try:
            yield storage
        finally:
            storage.close()
            for connection in [*database.used]:
                connection.close()
            self._ledgers.append(ledger)
            if not journal:
                self._journals.append(schema)

    @contextmanager
    def relay(self) -> Iterator[RelayStore]:
        schema = self._schema(self._journals, "journal", STATE)
        database = ThriftyDatabase(self._address, schema=schema)
        database.idle, database.used = self._idle, []
        store = TableRelayStore(SharedTables(database, RELAY))
        try:
            yield store
        finally:
            store.close()
            self._journals.append(schema)

    @contextmanager
    def alerts(self) -> Iterator[Callable[[], AlertStore]]:
        schema = self._schema(self._journals, "journal", STATE)
        database = ThriftyDatabase(self._address, schema=schema)
        database.idle, database.used = self._idle, []
        opened: list[AlertStore] = []

        def open_one() -> AlertStore:
            opened.append(TableAlertStore(SharedTables(database, ALERTS)))
            return opened[-1]

        try:
            yield open_one
        finally:
            for store in opened:
                store.close()
            self._journals.append(schema)

    @contextmanager
    def access(self) -> Iterator[Access]:
        schema = self._schema(self._journals, "journal", STATE)
        database = TidyDatabase(self._address, schema=schema)
        database.opened = []

        def run(statement: str) -> int | None:
            with closing(database.connect()) as connection:
                cursor = connection.execute(statement)  # type: ignore[arg-type] - of a test
                return cursor.fetchall()[0][0] if cursor.description else None

        try:
            yield Access(lambda clock: PostgresAccessStore(database, clock), run)
        finally:
            for connection in database.opened:
                connection.close()
            self._journals.append(schema)

    def close(self) -> None:
        for kept in self._idle.values():
            for connection in kept:
                psycopg.Connection.close(connection)
        self._admin.close()

    def _url(self) -> str:
        return postgresql.shared(self.programs()).socket_url

    def _create(self, database: Database, schema: str, files: Files) -> None:
        create_schema(database, self._admin, schema, files)

    def _schema(self, free: list[str], name: str, files: Files, journal: str = "public") -> str:
        """Return an empty schema."""
        if not free:
            new = f"{name}_{_OURS}_{next(_numbers)}"
            database = Database(self._address, schema=journal, ledger_schema=new)
            with self._admin.transaction():
                self._create(database, new, files)
            return new
        schema = free.pop()
        self._admin.execute(_EMPTY.format(schema=schema))  # type: ignore[arg-type] - our own name
        return schema


class Postgres18Engine(PostgresEngine):
    """The same in PostgreSQL 18; the tests of the contract and the laws run on it too."""

    programs = staticmethod(postgresql.newest)


class CitusEngine(PostgresEngine):
    """The same on the coordinator of a Citus; its schemas are dropped at the end."""

    reader = DistributedLedgerReader
    #: Few, so that creating them takes no longer than the test.
    shards = 4

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._created: list[str] = []

    def close(self) -> None:
        for schema in self._created:
            for name in (f"{schema}_stored", schema):
                self._admin.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")  # type: ignore[arg-type] - our own name
        super().close()

    def _url(self) -> str:
        return postgresql.citus()

    def _create(self, database: Database, schema: str, files: Files) -> None:
        self._created.append(schema)
        super()._create(database, schema, files)
        if files is LEDGER:
            distribute(database, self._admin, self.shards)


#: Empties the tables of a schema, and puts into them what they begin with.
_EMPTY = """DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' LOOP
        EXECUTE format('DELETE FROM {schema}.%I', name);
    END LOOP;
    IF '{schema}' LIKE 'journal%' THEN
        INSERT INTO {schema}.writers VALUES (0, 1, 0);
        INSERT INTO {schema}.about VALUES (0, false);
        INSERT INTO {schema}.relay_cursor VALUES (true, 0);
        INSERT INTO {schema}.alert_sequence VALUES (true, 0);
        INSERT INTO {schema}.access_version VALUES (true, 1);
        INSERT INTO {schema}.accounts (account_id, name) VALUES (1, 'default');
    ELSE
        INSERT INTO {schema}.cursors VALUES (0, 'ledger', 1, 0);
        IF to_regclass('{schema}.stored_messages') IS NOT NULL THEN
            INSERT INTO {schema}.cursors VALUES (0, 'stored', 1, 0);
        END IF;
        INSERT INTO {schema}.horizons VALUES (0, 0, 0);
    END IF;
END $$"""

ENGINES: list[type[Engine]] = [SqliteEngine, PostgresEngine]
#: For a law that the engines share, where another test of its file stays on PostgreSQL.
sqlite_first = pytest.mark.parametrize(
    "engine",
    parameters(ENGINES, [SqliteEngine], "the same law on PostgreSQL"),
    indirect=True,
    scope="session",
)
