"""The one connection layer: connects to a PostgreSQL, reads named statements, and maps its errors to ours."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, LiteralString, TypeAlias

import psycopg
from msgspec import structs
from psycopg import errors, sql
from psycopg.rows import TupleRow
from psycopg.types.numeric import Int8Dumper

from otpconv.errors import Misconfigured, OtpconvError, Unavailable
from otpconv.storage import deadline, statements as texts
from otpconv.storage.postgres import connection as connections, hosts
from otpconv.storage.postgres.address import Address, Limits
from otpconv.storage.postgres.arrays import ArrayDumper

Connection: TypeAlias = connections.Connection
#: A row as PostgreSQL gives it; the statement decides its columns.
Row: TypeAlias = tuple[Any, ...]

#: The schema of what can't be rebuilt, and the one of the ledger, which can.
SCHEMA: Final = "otpconv"
LEDGER_SCHEMA: Final = "otpconv_ledger"

#: Runs of a statement after which the server keeps its plan.
_PREPARED_AFTER: Final = 2
_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")

#: How much longer than the server a client waits for the end of a statement, s; a COMMIT has no other bound.
_GRACE_S: Final = 5
#: How long a statement of a copy may take, s.
_COPY_S: Final = 3_600

_SETTINGS: Final[LiteralString] = (
    "SELECT set_config('search_path', %s, false), set_config('statement_timeout', %s, false),"
    " set_config('lock_timeout', %s, false), set_config('jit', 'off', false),"
    # Rows that others change are read again, where another default would make statements fail.
    " set_config('default_transaction_isolation', 'read committed', false),"
    # A commit that no standby has confirmed is reported by a warning, which must be sent.
    " set_config('client_min_messages', 'warning', false),"
    # A client that is cut off must not keep its locks: the server notices it within 25 s.
    " set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),"
    " set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '15s', false),"
    # An acknowledged report is durable: a database may have another default.
    " set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
    " ELSE current_setting('synchronous_commit') END, false)"
)

_log = logging.getLogger(__name__)


class Database:
    """A PostgreSQL with the tables of otpconv.

    Args:
        address: where it is.
        limits: the bounds of the work with it.
        schema: the schema of journal, access and annotations.
        ledger_schema: the schema of the ledger.
    """

    def __init__(
        self,
        address: Address,
        limits: Limits = Limits(),  # noqa: B008 - it can't be changed
        *,
        schema: str = SCHEMA,
        ledger_schema: str = LEDGER_SCHEMA,
    ) -> None:
        self.address = address
        self.limits = limits
        self.schema = schema
        self.ledger_schema = ledger_schema

    @property
    def stored_schema(self) -> str:
        """The schema of the messages that are on the workers of a Citus."""
        return f"{self.ledger_schema}_stored"

    def with_ledger(self, ledger_schema: str) -> "Database":
        """Return the same database with another schema for the ledger."""
        return Database(self.address, self.limits, schema=self.schema, ledger_schema=ledger_schema)

    def for_reports(self) -> "Database":
        """Return the same database where no statement waits for a lock longer than a report may wait."""
        return self._within(lock_s=min(self.limits.lock_s, self.limits.report_s))

    def for_lookups(self) -> "Database":
        """Return the same database where no statement takes longer than a report may wait."""
        longest_s = self.limits.report_s
        return self._within(
            lock_s=min(self.limits.lock_s, longest_s), statement_s=min(self.limits.statement_s, longest_s)
        )

    def for_copies(self) -> "Database":
        """Return the same database where a statement may take long: nobody waits for one step of a copy."""
        return self._within(statement_s=max(self.limits.statement_s, _COPY_S))

    def _within(self, **bounds: float) -> "Database":
        limits = structs.replace(self.limits, **bounds)
        return Database(self.address, limits, schema=self.schema, ledger_schema=self.ledger_schema)

    def connect(self) -> Connection:
        """Open a connection that commits each statement, to the first host that takes writes.

        Raises:
            Misconfigured: the server refuses the user, the database does not exist, or TLS fails.
            Unavailable: the server can't be reached.
        """
        with self.mapped():
            connection = hosts.connect(self.address.attempts, self.limits.connect_s)
            try:
                self._configure(connection)
                connection.answer_s = self.limits.statement_s + _GRACE_S
            except BaseException:
                connection.close()
                raise
        return connection

    @contextmanager
    def mapped(self) -> Iterator[None]:
        """Turn the errors of psycopg into otpconv's; none leaves the engine any other way.

        Raises:
            Misconfigured: the database, its tables or its permissions must be fixed.
            Unavailable: anything else; the transaction was rolled back, or its outcome is unknown.
        """
        try:
            yield
        except psycopg.Error as error:
            raise self._ours(error) from error

    def _configure(self, connection: Connection) -> None:
        connection.prepare_threshold = _PREPARED_AFTER
        connection.answer_s = self.limits.connect_s
        # By default a small number is a smallint, and `:cursor + :limit` overflows at 32,768.
        connection.adapters.register_dumper(int, Int8Dumper)
        connection.adapters.register_dumper(list, ArrayDumper)
        limits = self.limits
        # On a Citus, the first schema has the messages of the workers; elsewhere there is none.
        path = f"{self.stored_schema}, {self.ledger_schema}, {self.schema}"
        connection.execute(_SETTINGS, (path, f"{limits.statement_s}s", f"{limits.lock_s}s"))

    def _ours(self, error: Exception) -> OtpconvError:
        if isinstance(error, connections.Unanswered):
            return Unavailable(self._filled(_FAILED, error))
        for kinds, ours, text in _TEXTS:
            if isinstance(error, kinds) and (ours is Misconfigured or not deadline.is_over()):
                return ours(self._filled(text, error))
        if hosts.is_refusal(error):
            return Misconfigured(self._filled(_REFUSES, error))
        deadline.check()
        return Unavailable(self._filled(_FAILED, error))

    def _filled(self, text: str, error: Exception) -> str:
        limits = {name: getattr(self.limits, name) for name in self.limits.__struct_fields__}
        return text.format(at=self.address, why=_line(error), **limits)


#: What an error of PostgreSQL means. Of a question whose time is over, the caller learns only that.
_TEXTS: Final[tuple[tuple[tuple[type[Exception], ...], type[OtpconvError], str], ...]] = (
    (
        (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction, errors.InvalidSchemaName),
        Misconfigured,
        (
            "The tables of otpconv in PostgreSQL ({at}) are missing or changed ({why}): run"
            " `otpconv ledger init` or `otpconv ledger migrate`"
        ),
    ),
    (
        (errors.InsufficientPrivilege,),
        Misconfigured,
        (
            "PostgreSQL ({at}) denies it ({why}): give the user the permission, or run `otpconv ledger init`"
            " as this user"
        ),
    ),
    (
        (connections.Unconfirmed,),
        Unavailable,
        (
            "No standby has confirmed a commit in PostgreSQL ({at}) ({why}), so a failover may lose it. Try"
            " again."
        ),
    ),
    (
        (errors.LockNotAvailable,),
        Unavailable,
        "PostgreSQL ({at}) is busy: a lock was not free within {lock_s} s; nothing was recorded. Try again.",
    ),
    (
        (errors.QueryCanceled,),
        Unavailable,
        "A statement took longer than {statement_s} s in PostgreSQL ({at}); nothing was recorded. Try again.",
    ),
    (
        (errors.DiskFull,),
        Unavailable,
        "The disk of PostgreSQL ({at}) is full; nothing was recorded. Free some space and try again.",
    ),
)
_REFUSES: Final = "PostgreSQL ({at}) refuses the connection ({why}): check the setting `ledger`"
_FAILED: Final = "PostgreSQL ({at}) failed ({why}). Try again."


def compact(database: Database) -> None:
    """Rewrite all tables without the rows that were deleted from them.

    Raises:
        Misconfigured: the database can't be used.
        Unavailable: the disk is full, or others use a table.
    """
    connection = database.connect()
    with database.mapped(), connection:
        connection.execute("SET statement_timeout = 0")
        connection.answer_s = None
        schemas = [database.schema, database.ledger_schema]
        tables = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY (%s)"
        for schema, table in connection.execute(tables, (schemas,)).fetchall():
            connection.execute(sql.SQL("VACUUM (FULL) {}").format(sql.Identifier(schema, table)))


def statements(name: str) -> dict[str, list[str]]:
    """Return the statements of a `.sql` file of this package by their names, each as its parts."""
    return {key: parts_of(text) for key, text in texts.statements(__package__, name).items()}


def parts_of(text: str) -> list[str]:
    """Return the parts of a statement, with parameters as psycopg writes them: `%(name)s` for `:name`."""
    bare = re.sub(r"--.*", "", text)
    return [_PARAMETER.sub(r"%(\1)s", part.strip()) for part in bare.split(";") if part.strip()]


def script(name: str, *, section: str) -> str:
    """Return the text of one section of a `.sql` file of this package: statements without parameters."""
    return texts.statements(__package__, name)[section]


def execute(
    connection: Connection,
    parts: list[str],
    values: "Any" = None,  # noqa: ANN401 - what psycopg takes
    *,
    prepare: bool | None = None,
) -> psycopg.Cursor[TupleRow]:
    """Run the parts of a statement, and return the cursor of the last one.

    Args:
        connection: where to run it.
        parts: of the statement.
        values: its parameters by name.
        prepare: False plans it for these values, and not once for all values.
    """
    *first, last = parts
    for part in first:
        connection.execute(part, values, prepare=prepare)
    return connection.execute(last, values, prepare=prepare)


def _line(error: Exception) -> str:
    """Return an error's first line; PostgreSQL's further lines are details, which may hold values."""
    return next(iter(str(error).splitlines()), type(error).__name__).strip()
