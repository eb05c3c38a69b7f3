"""Folders that several processes use: one at a time prepares what is in them."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder against all others who ask for it so, threads and processes; wait until it is free.

    SQLite waits for others when it reads and writes, but not when a file is made and given its journal mode:
    of two who do so at once one is told that the file is locked, or even that it is no database.

    Raises:
        OSError: the folder is not there, or may not be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
