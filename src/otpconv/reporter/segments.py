"""The segments in a spool's folder, of all processes."""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from otpconv.reporter import segment
from otpconv.reporter.limits import SEGMENT_BYTES, Limits
from otpconv.reporter.steady import HOST, SUFFIX, Steady, birth_of


def segments(folder: Path, steady: Steady = HOST) -> list[tuple[Path, int]]:
    """Return the segments of a folder and their sizes, oldest first: those of this boot by the steady clock.

    Raises:
        OSError: the folder can't be read.
    """

    def sizes() -> Iterator[tuple[Path, int]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                # To open a pipe of that name would never end.
                if entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):
                        yield Path(entry.path), entry.stat().st_size

    def order(found: tuple[Path, int]) -> tuple[bool, int, Path]:
        birth = birth_of(found[0])
        this_boot = birth is not None and birth.boot == steady.boot
        return this_boot, birth.steady_ms if birth and this_boot else 0, found[0]

    return sorted(sizes(), key=order)


def drop(path: Path, lost: Callable[[int], None]) -> bool:
    """Remove a segment that nobody appends to, and return whether it is gone; `lost` gets its reports."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        count = segment.count_left(path)
        path.unlink()
    except OSError:
        return False
    finally:
        os.close(fd)
    if count:
        lost(count)
    return True


def make_room(folder: Path, limits: Limits, lost: Callable[[int], None]) -> bool:
    """Make room for one more segment, if allowed, and return whether it fits; `lost` gets the losses."""
    paths = segments(folder)
    missing = sum(size for _, size in paths) + SEGMENT_BYTES - limits.max_bytes
    if missing > 0 and limits.overflow == "drop-oldest":
        for path, size in paths:
            if missing > 0 and drop(path, lost):
                missing -= size
    return missing <= 0


def count_pending(folder: Path) -> tuple[int, int]:
    """Return how many reports wait in a folder, and the bytes its segments take; none if it can't be read."""
    found: list[tuple[Path, int]] = []
    with suppress(OSError):
        found = segments(folder)
    return sum(segment.count_left(path) for path, _ in found), sum(size for _, size in found)


def sync(paths: Iterable[Path]) -> None:
    """Wait until the disk has segments, or the lists of folders; those that are not there are left out.

    Raises:
        OSError: the disk fails.
    """
    for path in dict.fromkeys(paths):
        with suppress(FileNotFoundError):
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
