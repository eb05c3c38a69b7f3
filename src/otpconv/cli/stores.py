"""What the commands about access share: the stores of a data folder, the audit, and how things are told."""

import os
import pwd
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import msgspec
import typer
from msgspec import Struct
from rich.table import Table

from otpconv.audit import record
from otpconv.cli.terminal import output
from otpconv.errors import OtpconvError

if TYPE_CHECKING:
    from otpconv.access.directory import Directory
    from otpconv.access.keys import KeyStore
    from otpconv.config import Settings

Account = Annotated[str, typer.Option("--account", metavar="NAME", help="The account it is in.")]


class Change(Struct):
    """A change for the audit trail, told to `key_store` or `directory`.

    Attributes:
        what: as `CreateUser`.
        subject: names of what is changed, never a secret; may be completed while the change is made.
    """

    what: str
    subject: str


class _Store(Protocol):
    def close(self) -> None: ...


_S = TypeVar("_S", bound=_Store)


@contextmanager
def key_store(data: Path | None, change: Change | None = None) -> Iterator["KeyStore"]:
    """Open the access keys of a data folder for a while; a change goes into the audit trail."""
    # The server's libraries are not there in a client's installation.
    from otpconv.service import open_key_store

    with _opened(open_key_store, data, change) as store:
        yield store


@contextmanager
def directory(data: Path | None, change: Change | None = None) -> Iterator["Directory"]:
    """Open the users, roles and policies of a data folder for a while; a change goes into the audit trail."""
    from otpconv.service import open_directory

    with _opened(open_directory, data, change) as opened:
        yield opened


@contextmanager
def _opened(opener: Callable[["Settings"], _S], data: Path | None, change: Change | None) -> Iterator[_S]:
    from otpconv.config import load

    settings = load(data=data)
    # What fails otherwise may have changed something, so it has a line too.
    outcome = "InternalError"
    try:
        opened = opener(settings)
        try:
            yield opened
        finally:
            opened.close()
        outcome = "done"
    except OtpconvError as error:
        outcome = error.code
        raise
    finally:
        if change is not None:
            record(settings.data, who=_somebody(), what=change.what, subject=change.subject, outcome=outcome)


def _somebody() -> str:
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        # In a container the number may have no name.
        return f"cli:{os.getuid()}"


def tell(text: str, fields: object, *, json: bool) -> None:
    """Print a text for people, or fields for machines."""
    typer.echo(msgspec.json.encode(fields).decode() if json else text)


def tell_members(fields: Mapping[str, object], *, json: bool) -> None:
    """Print one thing: a member a line for people."""
    lines = (f"{name}: {_shown(name, value)}" for name, value in fields.items())
    tell("\n".join(lines), fields, json=json)


def tell_rows(columns: Sequence[str], rows: Iterable[Mapping[str, object]], *, json: bool) -> None:
    """Print many things: for people a table with some of their members, for machines all."""
    rows = list(rows)
    if json:
        typer.echo(msgspec.json.encode(rows).decode())
        return
    table = Table(*(column.replace("_at", "").replace("_", " ") for column in columns))
    for row in rows:
        table.add_row(*(_shown(column, row[column]) for column in columns))
    output().print(table)


def _shown(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_at"):
        never = "never" if name.startswith("last") else "-"
        return (
            datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M")
            if isinstance(value, int)
            else never
        )
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return str(value)
