"""How long a report has waited for certain: by a clock that nobody sets, whatever the wall clock says."""

import logging
import re
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from os import getpid, urandom
from pathlib import Path

from msgspec import Struct

from otpconv.clock import duration

SUFFIX = ".spool"
#: Two clocks that differ by less count as equal, ms.
_TOLERATED_MS = 60_000
#: Shortest time between two log lines about a changed clock, s.
_LOGGED_EVERY_S = 60.0
#: Remembered changes of the wall clock.
_MOST_SETTINGS = 16
_UNKNOWN_BOOT = "00000000"
#: Two segments of a process may be made in the same millisecond, and are read in order all the same.
_numbers = count()
_read_name = re.compile(r"([0-9]{13})-([0-9a-f]{8})-([0-9]{13})-[0-9]+-[0-9]+-[0-9a-f]{8}\.spool").fullmatch

_log = logging.getLogger("otpconv.reporter")


class Steady(Struct, frozen=True):
    """The steady clock of a host, which counts from its boot.

    Attributes:
        boot: names this boot of the host by eight hexadecimal digits; zeros where the host can't.
        read: returns the time since the boot, s.
    """

    boot: str
    read: Callable[[], float]


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii")[:8]
    return _UNKNOWN_BOOT


#: The clock of this host. CLOCK_BOOTTIME counts while the host sleeps, and so does macOS' CLOCK_MONOTONIC.
HOST = Steady(_boot(), partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)))


class Birth(Struct, frozen=True):
    """When a segment was begun, as its name says.

    Attributes:
        wall_ms: by the wall clock of that time, ms since 1970.
        boot: the boot of the host.
        steady_ms: by the steady clock of that boot, ms.
    """

    wall_ms: int
    boot: str
    steady_ms: int

    def age_ms(self, steady: Steady) -> int:
        """Return how old it is at least, ms: after a reboot only the time since then is certain."""
        now_ms = int(steady.read() * 1000)
        if self.boot != steady.boot:
            return now_ms
        if self.boot == _UNKNOWN_BOOT and now_ms < self.steady_ms:
            return now_ms
        return max(0, now_ms - self.steady_ms)


def new_name(now: int, steady: Steady) -> str:
    """Return the name of a segment that is begun at `now` (ms, wall clock)."""
    begun_ms = int(steady.read() * 1000)
    unique = f"{getpid()}-{next(_numbers):06d}-{urandom(4).hex()}"
    return f"{min(max(now, 0), 9_999_999_999_999):013d}-{steady.boot}-{begun_ms:013d}-{unique}{SUFFIX}"


def birth_of(path: Path) -> Birth | None:
    """Return when a segment was begun; None if its name does not say it, e.g. that of an older version."""
    found = _read_name(path.name)
    return Birth(int(found[1]), found[2], int(found[3])) if found else None


class WallClock:
    """Finds out whether the wall clock was set: then it and the steady clock disagree.

    Attributes:
        times_set: how often it was found to have been set.
    """

    def __init__(self, steady: Steady) -> None:
        self.times_set = 0
        self._steady = steady
        #: The wall clock's time at the boot: as it says now, and as it said when it was set otherwise, ms.
        self._boot_at: int | None = None
        self._known: deque[int] = deque(maxlen=_MOST_SETTINGS)
        self._logged_at = -_LOGGED_EVERY_S

    def look(self, now: int) -> None:
        """Compare the clocks at `now` (ms, wall clock) with what they said at the last look."""
        boot_at = now - int(self._steady.read() * 1000)
        if self._boot_at is not None and not _agree(boot_at, self._boot_at):
            self._found(boot_at, self._boot_at)
        self._boot_at = boot_at

    def compare(self, birth: Birth) -> None:
        """Compare the clocks, as the last look saw them, with the name of a segment."""
        if self._boot_at is None:
            return
        boot_at = birth.wall_ms - birth.steady_ms
        if birth.boot != self._steady.boot:
            # Begun before this boot: by a wall clock that agrees, that is before the time of the boot.
            boot_at = max(self._boot_at, birth.wall_ms)
        if not any(_agree(boot_at, known) for known in (self._boot_at, *self._known)):
            self._found(self._boot_at, boot_at)

    def _found(self, is_at: int, was_at: int) -> None:
        self.times_set += 1
        self._known.append(was_at)
        if time.monotonic() - self._logged_at >= _LOGGED_EVERY_S:
            self._logged_at = time.monotonic()
            how, by = "ahead" if is_at > was_at else "back", duration(abs(is_at - was_at))
            _log.warning(
                "the clock of this host was set %s by %s: reports' age is by its steady clock", how, by
            )


def _agree(one_ms: int, other_ms: int) -> bool:
    return abs(one_ms - other_ms) <= _TOLERATED_MS
