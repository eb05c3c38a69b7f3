"""Copying a SQLite file while others write it."""

import os
from collections.abc import Callable
from pathlib import Path

import apsw

from otpconv.storage.sqlite.connection import mapped, reading

#: Steps of SQLite's virtual machine from one look at the copy to the next: a few large rows.
_STEPS = 50
#: How much of the copy is written before it is synced to the disk. Data that waits in memory for the disk
#: delays a server's commits.
_PART_BYTES = 2 * 1024 * 1024


def copy(source: Path, target: Path, done: Callable[[int, int], None]) -> None:
    """Copy one state of a SQLite file into a new file, which only its owner may read.

    Other processes may write meanwhile. Until the copy is complete, what they write stays in the source's
    write-ahead log, which grows.

    Args:
        source: the file; others may have it open.
        target: the copy; must not exist yet.
        done: called regularly with the bytes written and the approximate total.

    Raises:
        Misconfigured: the source is missing, damaged, or not a database.
        Unavailable: the disk is full or fails.
    """
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with mapped(target), reading(source) as connection:
            connection.pragma("query_only", value=False)
            total = _pragma(connection, "page_count") * _pragma(connection, "page_size")
            synced = 0

            def look() -> bool:
                nonlocal synced
                written = os.fstat(descriptor).st_size
                if written - synced >= _PART_BYTES:
                    os.fdatasync(descriptor)
                    synced = written
                done(written, max(written, total))
                return False

            connection.set_progress_handler(look, _STEPS)
            connection.execute("VACUUM INTO ?", (os.fspath(target),))
            connection.set_progress_handler(None)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pragma(connection: apsw.Connection, name: str) -> int:
    value = connection.pragma(name)
    return value if isinstance(value, int) else 0
