"""Counts of a reporter; problems are also logged, at first and then once a minute."""

import logging
import time
from threading import Lock
from typing import Literal

from msgspec import Struct

_TOLD_EVERY_S = 60.0
#: Reasons that are counted separately; the server may invent many error codes.
_MOST_REASONS = 64

_log = logging.getLogger("otpconv.reporter")


class Stats(Struct, frozen=True):
    """What a reporter has done in this process, and how it is.

    Attributes:
        reported: reports spooled.
        delivered: reports the other side has; of all processes, where this one delivers the spool.
        rejected: reports set aside as dead letters.
        lost: reports given up, by reason.
        damaged: pieces of the spool that could not be read.
        pending: reports in the spool, or in memory, that wait for delivery.
        pending_bytes: what the spool takes on the disk, or in memory.
        breaker: `closed` while delivery works, `open` while nothing is sent, `half-open` before a probe.
        degraded: whether somebody has switched delivery off.
        disabled: whether the reporter reports nothing at all; what it was given is in `lost`.
        delivering: whether this process is the one that delivers the spool.
        durable: whether reports outlive the process: not in memory, and not while the spool can't be used.
        clock_set: how often the wall clock was found to have been set, against the steady clock.
        numbers_left_out: reports that went without their number, since it could not be read.
        last_error: why the last round of delivery came to nothing, or the spool can't be used; empty if all
            is well.
    """

    reported: int
    delivered: int
    rejected: int
    lost: dict[str, int]
    damaged: int
    pending: int
    pending_bytes: int
    breaker: Literal["closed", "open", "half-open"]
    degraded: bool
    disabled: bool
    delivering: bool
    durable: bool
    clock_set: int
    numbers_left_out: int
    last_error: str


class ReasonCounter:
    """Reports to which something bad has happened, by reason."""

    def __init__(self, what: str) -> None:
        """Create an empty tally.

        Args:
            what: what happened to the reports, for the log.
        """
        self._what = what
        self._lock = Lock()
        self._counts: dict[str, int] = {}
        self._told: dict[str, float] = {}

    def add(self, reason: str, count: int, *, logged: bool = True) -> None:
        """Count reports; `logged` unless that is as it should be."""
        now = time.monotonic()
        with self._lock:
            if reason not in self._counts and len(self._counts) >= _MOST_REASONS:
                reason = "other"
            total = self._counts[reason] = self._counts.get(reason, 0) + count
            tell = logged and now - self._told.get(reason, -_TOLD_EVERY_S) >= _TOLD_EVERY_S
            if tell:
                self._told[reason] = now
        if tell:
            _log.error("%s: %s, %d so far", self._what, reason, total)

    def counts(self) -> dict[str, int]:
        """Return the numbers by reason."""
        with self._lock:
            return dict(self._counts)
