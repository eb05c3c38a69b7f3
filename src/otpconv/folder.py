"""Locks for folders that several processes use."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Imported by name, so that gevent can't replace it later and let other code run while the lock is held.
from time import sleep
from typing import IO


@contextmanager
def alone(folder: Path, *, within_ms: int | None = None) -> Iterator[None]:
    """Lock a folder against other threads and processes that use this function; wait until it is free.

    SQLite waits for other processes when it reads and writes, but not while it creates a file and sets its
    journal mode. If two processes do that at the same time, one gets the error that the file is locked, or
    even that it is not a database.

    Args:
        folder: the folder.
        within_ms: how long to wait, ms; None waits without limit.

    Raises:
        OSError: the folder does not exist, can't be opened, or was not free in time.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if within_ms is None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        else:
            _lock_within(descriptor, within_ms)
        yield
    finally:
        # Unlocked explicitly: a child forked meanwhile has the descriptor too, and would keep the lock.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _lock_within(descriptor: int, within_ms: int) -> None:
    deadline = time.monotonic() + within_ms / 1000
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise BlockingIOError(
                    errno.EAGAIN, f"another process has held it for {within_ms} ms"
                ) from None
            sleep(0.001)
        else:
            return


def lock_file(file: Path) -> IO[str]:
    """Lock a file until it is closed or this process ends, however it ends; create it with mode 0600.

    Raises:
        BlockingIOError: another process has locked it.
        OSError: it can't be opened.
    """
    # Whoever can open the file for reading can lock it too, and keep a server from starting.
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    held = os.fdopen(descriptor, "r+")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        raise
    with suppress(OSError):  # older versions created it with other permissions
        os.fchmod(descriptor, 0o600)
    return held


def is_locked(file: Path) -> bool:
    """Return whether a process has locked a file; False if it can't be opened."""
    try:
        with file.open() as opened:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
