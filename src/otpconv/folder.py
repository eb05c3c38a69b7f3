"""Folders that several processes use: one at a time prepares what is in them, or holds them as its own."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# By name, as the locks around it: what gevent patches later must not let others in here.
from time import sleep
from typing import IO


@contextmanager
def alone(folder: Path, *, within_ms: int | None = None) -> Iterator[None]:
    """Hold a folder against all others who ask for it so, threads and processes; wait until it is free.

    Args:
        folder: the folder.
        within_ms: how long to wait at most; None is without end.

    SQLite waits for others when it reads and writes, but not when a file is made and given its journal mode:
    of two who do so at once one is told that the file is locked, or even that it is no database.

    Raises:
        OSError: the folder is not there, may not be opened, or is not free in time.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if within_ms is None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        else:
            _lock_within(descriptor, within_ms)
        yield
    finally:
        # Freed by name: a child that was forked meanwhile has the descriptor too, and would hold on to it.
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


def hold(file: Path) -> IO[str]:
    """Hold a file until it is closed or this process ends, however it ends; make it with mode 0600.

    Raises:
        BlockingIOError: another process holds it.
        OSError: it can't be opened.
    """
    # Who can open the file for reading can hold it too, and keep a server from starting.
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    held = os.fdopen(descriptor, "r+")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        raise
    with suppress(OSError):  # one of an older version may be open to others
        os.fchmod(descriptor, 0o600)
    return held


def is_held(file: Path) -> bool:
    """Return whether a process holds a file; one that can't be opened is held by none."""
    try:
        with file.open() as opened:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
