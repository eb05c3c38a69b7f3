"""The address of a PostgreSQL, with what libpq needs to know beside it. Its password is never shown."""

from pathlib import Path
from typing import Final

from msgspec import Struct
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from otpconv.errors import Misconfigured

#: Hosts that are this machine: a connection to them can't be read by others.
_THIS_MACHINE: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})
#: A peer that does not answer is noticed within 25 s, and data that nobody confirms within 15 s.
_KEEPALIVE: Final[dict[str, str | int]] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


class Limits(Struct, frozen=True):
    """The bounds of the work with a PostgreSQL.

    Attributes:
        connections: how many questions are answered at the same time; further ones wait.
        connect_s: how long connecting may take, to all hosts together, and how long a question waits for a
            connection, s.
        statement_s: how long a statement may take, s.
        lock_s: how long a statement may wait for a lock, s.
        report_s: how long the lookup and how long the commit of reports may take, s. Callers get an answer
            within twice this time.
    """

    connections: int = 8
    connect_s: int = 5
    statement_s: float = 30
    lock_s: float = 5
    report_s: float = 1.4


class Address:
    """Where a PostgreSQL is.

    Args:
        url: `postgresql://…`, as libpq reads it; it may name several hosts.
        ca: PEM file with the certificates that the server's certificate must come from.
        connect_s: how long connecting may take, s.

    Attributes:
        conninfo: what libpq needs, with all hosts.
        attempts: the same for each host.

    Raises:
        Misconfigured: the URL is malformed. The text does not contain it.
    """

    def __init__(self, url: str, ca: Path | None = None, connect_s: int = Limits().connect_s) -> None:
        try:
            parts = conninfo_to_dict(url)
        except ProgrammingError:
            # The error of psycopg repeats the URL, with its password.
            raise Misconfigured(
                "The URL of the ledger is malformed. Use postgresql://USER@HOST:PORT/DATABASE, and encode"
                " special characters of the password, e.g. %40 for @."
            ) from None
        self._hosts = str(parts.get("host") or "")
        self._database = str(parts.get("dbname") or "")
        defaults: dict[str, str | int] = {"application_name": "otpconv", "connect_timeout": connect_s}
        defaults |= _KEEPALIVE
        if ca is not None:
            defaults |= {"sslrootcert": str(ca), "sslmode": "verify-full"}
        elif not self._is_this_machine():
            defaults["sslmode"] = "require"
        if "," in self._hosts:
            defaults["target_session_attrs"] = "read-write"
        given: dict[str, str | int] = {name: value for name, value in parts.items() if value is not None}
        self.conninfo: Final = make_conninfo("", **(defaults | given))
        self.attempts: Final = _split(defaults | given)

    # typing.override is not in Python 3.11.
    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"Address({str(self)!r})"

    def __str__(self) -> str:  # type: ignore[explicit-override]
        """Return the hosts and the database, without the user and the password."""
        return f"{self._hosts or 'this machine'}/{self._database}"

    def _is_this_machine(self) -> bool:
        return all(host in _THIS_MACHINE or host.startswith("/") for host in self._hosts.split(","))


def _split(parts: dict[str, str | int]) -> list[str]:
    """Return the connection string of each host."""
    names = ("host", "hostaddr", "port")
    lists = {name: str(parts[name]).split(",") for name in names if name in parts}
    count = max((len(values) for values in lists.values()), default=1)
    if any(len(values) not in {1, count} for values in lists.values()):
        raise Misconfigured(
            "The URL of the ledger does not have as many ports as hosts. Give each host its port, or one port"
            " for all: HOST1:PORT1,HOST2:PORT2."
        )
    return [
        make_conninfo("", **(parts | {name: values[n % len(values)] for name, values in lists.items()}))
        for n in range(count)
    ]
