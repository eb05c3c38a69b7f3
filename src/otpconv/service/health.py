"""How a server is doing: what an operator looks at first, whatever vendors report to it."""

import asyncio
import platform
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Final

from msgspec import Struct

from otpconv import __version__
from otpconv.errors import Unavailable
from otpconv.service.housekeeping import TaskState

#: How long the disk may take to answer, s.
DISK_S: Final = 2.0

#: The distributions whose versions matter for a report of a problem.
_DISTRIBUTIONS: Final = ("apsw", "cryptography", "granian", "msgspec", "starlette", "uvloop")


class Disk(Struct, frozen=True):
    """The disk with the data folder.

    Attributes:
        total_bytes: its size.
        free_bytes: its free space.
        files: names and sizes of the files in the data folder, bytes.
    """

    total_bytes: int
    free_bytes: int
    files: list[tuple[str, int]]


class Health(Struct, frozen=True):
    """How a server is doing.

    Attributes:
        problems: why reports can't be recorded, or questions not be answered.
        degraded: other things for the operator to fix.
        lag: acknowledged reports that are not in the ledger yet.
        started_at: ms.
        disk: the disk with the data folder; None if it does not answer.
        tasks: the housekeeping.
        versions: names and versions of the programs.
    """

    problems: list[str]
    degraded: list[str]
    lag: int
    started_at: int
    disk: Disk | None
    tasks: list[TaskState]
    versions: list[tuple[str, str]]


def disk_of(folder: Path) -> Disk:
    """Return the space on the disk with a folder, and its files; waits for the disk.

    Raises:
        OSError: the folder can't be read.
    """
    usage = shutil.disk_usage(folder)
    files = [(path.name, path.stat().st_size) for path in sorted(folder.iterdir()) if path.is_file()]
    return Disk(usage.total, usage.free, files)


async def disk_in_time(aside: Callable[[Callable[[], Disk]], Awaitable[Disk]], folder: Path) -> Disk | None:
    """Return the disk with a folder; None if it does not answer in time.

    Args:
        aside: runs work in another thread.
        folder: the folder.
    """
    with suppress(OSError, TimeoutError, Unavailable):
        async with asyncio.timeout(DISK_S):
            return await aside(lambda: disk_of(folder))
    return None


def versions() -> list[tuple[str, str]]:
    """Return the versions of this program, of Python, and of the libraries that do the work."""
    found = [("otpconv", __version__), ("Python", platform.python_version())]
    for name in _DISTRIBUTIONS:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:  # uvloop is not everywhere
            continue
    return [*found, ("system", f"{platform.system()} {platform.release()} {platform.machine()}")]
