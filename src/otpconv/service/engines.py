"""The storage engines: the only module that knows which there are."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from otpconv.config import Settings
from otpconv.errors import Misconfigured
from otpconv.storage.engine import Engine
from otpconv.storage.sqlite import SqliteEngine

if TYPE_CHECKING:
    from otpconv.storage.postgres import PostgresEngine


def postgres_engine(settings: Settings) -> "PostgresEngine":
    """Return the engine of the PostgreSQL in the setting `ledger`; nothing is opened yet.

    Raises:
        Misconfigured: the setting is missing or malformed, or the libraries are not installed.
    """
    try:
        from otpconv.storage.postgres import PostgresEngine, address, database  # noqa: PLC0415 - an extra
    except ImportError:
        raise Misconfigured(
            "PostgreSQL needs further libraries: install them with `pip install 'otpconv[postgres]'`"
        ) from None
    if settings.ledger is None:
        raise Misconfigured("There is no PostgreSQL: set OTPCONV_LEDGER to postgresql://USER@HOST/DATABASE")
    limits = address.Limits(
        connections=settings.ledger_connections,
        connect_s=settings.ledger_connect_timeout,
        statement_s=settings.ledger_statement_timeout,
        lock_s=settings.ledger_lock_timeout,
        report_s=settings.ledger_report_timeout,
    )
    at = address.Address(settings.ledger.get_secret_value(), settings.ledger_ca, limits.connect_s)
    return PostgresEngine(database.Database(at, limits))


#: Into how many shards the messages of a Citus are divided by default: a cluster can get as many workers.
SHARDS: Final = 32
#: URL scheme of the setting `ledger` -> what makes its engine.
ENGINES: Final[dict[str, Callable[[Settings], Engine]]] = {
    "sqlite": lambda settings: SqliteEngine(settings.data),
    "postgres": postgres_engine,
    "postgresql": postgres_engine,
}


def engine_of(settings: Settings) -> Engine:
    """Return the engine of a server's storage; nothing is opened yet.

    Raises:
        Misconfigured: the setting `ledger` is malformed, or the libraries of its engine are not installed.
    """
    return ENGINES[_scheme(settings)](settings)


def used_engine(settings: Settings) -> Engine:
    """Return the engine of a storage that a server has used.

    Raises:
        Misconfigured: as `engine_of`, or the storage has no journal.
    """
    engine = engine_of(settings)
    if not engine.has_journal():
        raise Misconfigured(
            f"there is no journal in {settings.data}: give the server's folder with --data DIR"
        )
    return engine


def storage_of(settings: Settings) -> str:
    """Return the name of a server's storage for texts, without secrets."""
    return f"the disk of {settings.data}" if settings.ledger is None else "PostgreSQL"


def without_password(url: str | None, option: str = "--ledger") -> str | None:
    """Return a URL from the command line, if it has no password: other users can read it there.

    Args:
        url: the URL; None if the option was not given.
        option: its name.

    Raises:
        Misconfigured: it has a password.
    """
    if url is not None and (urlsplit(url).password or "password=" in url):
        instead = "Set OTPCONV_LEDGER instead, or put" if option == "--ledger" else "Put"
        raise Misconfigured(
            f"The URL in {option} has a password, and other users of this machine can see it."
            f" {instead} the password into the file ~/.pgpass"
        )
    return url


def _scheme(settings: Settings) -> str:
    return "sqlite" if settings.ledger is None else urlsplit(settings.ledger.get_secret_value()).scheme
