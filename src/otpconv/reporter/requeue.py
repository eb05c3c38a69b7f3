"""Puts dead letters back into the spool."""

from collections.abc import Callable, Sequence
from pathlib import Path

from otpconv.delivery.dead_letters import DeadLetter, DeadLetters
from otpconv.delivery.reports import line_of
from otpconv.reporter.segment import HEADER_BYTES, Writer


def put_back(folder: Path, wanted: Callable[[DeadLetter], bool], now: int) -> int:
    """Put the dead letters that are wanted back into the spool, so that they are delivered again.

    Args:
        folder: the spool.
        wanted: chooses the dead letters.
        now: the time now, ms.

    Returns:
        How many were put back.

    Raises:
        BlockingIOError: another process holds the folder for long, e.g. because it is stopped.
        OSError: the disk is full or fails; all stay dead letters.
    """

    def keep(letters: Sequence[DeadLetter]) -> None:
        data = b"".join(line_of(letter.flags, bytes(letter.report)) for letter in letters)
        writer = Writer(folder, HEADER_BYTES + len(data), now)
        writer.map[writer.end :] = data
        writer.end = writer.size
        writer.sync()
        writer.close()

    return DeadLetters(folder).take_back(wanted, keep)
