"""What the commands about access share: the stores of a data folder, and the audit."""

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import Struct

from otpconv.audit import outcome_recorded, record

if TYPE_CHECKING:
    from otpconv.access.directory import Directory
    from otpconv.access.keys import KeyStore
    from otpconv.config import Settings


class Change(Struct):
    """A change for the audit trail, given to `key_store` or `directory`.

    Attributes:
        what: as `CreateUser`.
        subject: the names of the changed objects, never a secret; may be completed while the change is made.
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
    from otpconv.service.opening import open_key_store

    with _opened(open_key_store, data, change) as store:
        yield store


@contextmanager
def directory(data: Path | None, change: Change | None = None) -> Iterator["Directory"]:
    """Open the users, roles and policies of a data folder for a while; a change goes into the audit trail."""
    from otpconv.service.opening import open_directory

    with _opened(open_directory, data, change) as opened:
        yield opened


@contextmanager
def _opened(opener: Callable[["Settings"], _S], data: Path | None, change: Change | None) -> Iterator[_S]:
    from otpconv.config import load

    settings = load(data=data)
    with audited(settings.data, change) if change else nullcontext():
        opened = opener(settings)
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def audited(data: Path, change: Change) -> Iterator[Change]:
    """Record a change in the audit trail of a data folder when the context ends, done or failed."""

    def write(outcome: str) -> None:
        record(data, who=_somebody(), what=change.what, subject=change.subject, outcome=outcome)

    with outcome_recorded(write):
        yield change


def _somebody() -> str:
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        # In a container the number may have no name.
        return f"cli:{os.getuid()}"
