"""A look at a spool from outside, changing nothing."""

import fcntl
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from otpconv.delivery.dead_letters import DeadLetters
from otpconv.reporter import segment
from otpconv.reporter.backlog import DAMAGED_FILE
from otpconv.reporter.claim import CLAIM_FILE
from otpconv.reporter.segments import segments
from otpconv.reporter.switch import FILE as SWITCH_FILE


class SpoolStatus(Struct, frozen=True):
    """How a spool is.

    Attributes:
        pending: reports that wait for delivery.
        pending_bytes: what they take on the disk, with the room that is taken beforehand.
        oldest_at: when the oldest segment that waits was begun, ms; None when nothing waits.
        dead_letters: reports set aside, by error code.
        damaged_bytes: what could not be read, in the file `damaged`.
        degraded: whether the spool's switch file is there.
        delivered_to: where a process delivers the spool to now; empty when none does.
    """

    pending: int
    pending_bytes: int
    oldest_at: int | None
    dead_letters: dict[str, int]
    damaged_bytes: int
    degraded: bool
    delivered_to: str


def look(folder: Path) -> SpoolStatus:
    """Return how a spool is; processes may use it meanwhile.

    Raises:
        OSError: the folder is not there, or can't be read.
    """
    found = [(path, size, segment.count_left(path)) for path, size in segments(folder)]
    begun = [int(path.name.partition("-")[0]) for path, _, left in found if left and path.name[0].isdecimal()]
    damaged = folder / DAMAGED_FILE
    return SpoolStatus(
        pending=sum(left for _, _, left in found),
        pending_bytes=sum(size for _, size, _ in found),
        oldest_at=min(begun, default=None),
        dead_letters=dict(Counter(letter.code for letter in DeadLetters(folder))),
        damaged_bytes=damaged.stat().st_size if damaged.exists() else 0,
        degraded=(folder / SWITCH_FILE).exists(),
        delivered_to=_claimed(folder / CLAIM_FILE),
    )


def _claimed(file: Path) -> str:
    """Return the destination of the process that holds the claim; empty when none does."""
    with suppress(FileNotFoundError), file.open("rb") as claim:
        try:
            fcntl.flock(claim, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.fsdecode(claim.read()) or "somewhere"
    return ""
