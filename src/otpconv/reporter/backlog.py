"""The reports to deliver: those in memory, and the folder's, if no other process delivers it."""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import RLock

import msgspec

from otpconv.delivery.dead_letters import Burials, DeadLetter, DeadLetters
from otpconv.delivery.reports import Report
from otpconv.delivery.rounds import Parcel
from otpconv.reporter import segment
from otpconv.reporter.claim import Claim
from otpconv.reporter.memory import Memory
from otpconv.reporter.segment import SegmentReader
from otpconv.reporter.segments import drop, segments
from otpconv.reporter.spool import Spool
from otpconv.reporter.steady import WallClock, birth_of
from otpconv.reporter.tally import ReasonCounter

DAMAGED_FILE = "damaged"
#: Dead letters, and damaged pieces, may take this part of the spool's bound in addition.
_LETTERS_SHARE = 4
_DAMAGED_BYTES = 1024 * 1024
#: Characters of the server's error that a dead letter keeps.
_MOST_CODE, _MOST_REASON = 128, 1_000
#: How often the folder is searched for segments that are too old, s.
_LOOK_THROUGH_S = 1.0

_log = logging.getLogger("otpconv.reporter")


class SpooledParcel(Parcel, eq=False, kw_only=True):
    """A report on its way from the spool.

    Attributes:
        source: where it was read.
        place: its place there.
    """

    source: SegmentReader | Memory
    place: int

    @property
    def withdrawn(self) -> bool:  # type: ignore[explicit-override]
        """Whether another process delivers it, or it has come from memory to the folder."""
        return self.source.is_withdrawn(self.place)


class Backlog:
    """Hands out reports in about the order in which they came, and forgets them once they are settled.

    Attributes:
        rejected: those it set aside as dead letters, by error code.
        damaged: how many damaged pieces it set aside.
        problem: why the folder can't be delivered; empty while it can.
        wall_clock: finds out whether the wall clock was set.
        claiming: held while a claim is made, and while the process forks.
    """

    def __init__(self, spool: Spool, lost: Callable[[str, int], None]) -> None:
        """Create the backlog.

        Args:
            spool: the spool of this process.
            lost: called with the reason and the number of dropped reports.
        """
        self.rejected = ReasonCounter("reports are set aside as dead letters")
        self.damaged = 0
        self.problem = ""
        self.wall_clock = WallClock(spool.steady)
        self._spool = spool
        self._folder = spool.folder
        self._lost = lost
        self.claiming = RLock()
        self._claim: Claim | None = None
        self._readers: dict[Path, SegmentReader] = {}
        self._unreadable: set[Path] = set()
        self._look_through_at = 0.0
        self._burials: Burials | None = None
        if spool.folder is not None:
            self._claim = Claim(spool.folder)
            letters = DeadLetters(spool.folder, spool.limits.max_bytes // _LETTERS_SHARE)
            self._burials = Burials(letters, lost)

    @property
    def claimed(self) -> bool:
        """Whether this process delivers the folder."""
        return self._claim is not None and self._claim.held

    def claim(self, destination: str) -> None:
        """Deliver the folder from now on, or still, unless another process does or it can't be used."""
        if self._claim is None or self._folder is None or not self._folder.is_dir():
            return
        with self.claiming:
            held = self._claim.held
            try:
                problem = self._claim.hold(destination)
                if problem or not held:
                    self._tell(problem)
            except OSError as error:
                self._tell(f"{error.filename or self._folder}: {error.strerror}")
            if held and not self._claim.held:
                for path in list(self._readers):
                    self._leave(path)

    def look_after(self, now: int) -> None:
        """Write waiting dead letters, and drop segments that are too old; call it in pauses, too."""
        if self._burials is not None:
            self._burials.write()
        if self._folder is None or not self.claimed or time.monotonic() < self._look_through_at:
            return
        self._look_through_at = time.monotonic() + _LOOK_THROUGH_S
        with suppress(OSError):
            births = [(path, birth_of(path)) for path, _ in segments(self._folder, self._spool.steady)]
            # A clock that was set is reported before anything is given up.
            self.wall_clock.look(now)
            for _, birth in births:
                if birth is not None:
                    self.wall_clock.compare(birth)
            for path, birth in births:
                if birth is not None and birth.age_ms(self._spool.steady) > self._spool.limits.life_ms:
                    self._give_up(path)

    def read(self, most: int) -> list[SpooledParcel]:
        """Return up to `most` further reports."""
        memory = self._spool.memory
        parcels = [SpooledParcel(report, source=memory, place=place) for place, report in memory.read(most)]
        if self._folder is None or not self.claimed or len(parcels) >= most:
            return parcels
        # From here on nothing may raise: these reports would not be read again.
        try:
            paths = [path for path, _ in segments(self._folder, self._spool.steady)]
        except OSError as error:
            self._tell(error.strerror or str(error))
            return parcels
        self._tell("")
        self._forget(set(paths))
        for path in paths:
            reader = self._reader(path)
            if reader is None:
                continue
            try:
                while len(parcels) < most and (found := reader.read(most - len(parcels))):
                    parcels += [SpooledParcel(report, source=reader, place=place) for place, report in found]
            except OSError as error:
                self._skip(path, error)
            if reader.damaged:
                with suppress(OSError):
                    self._set_aside(reader)
            if len(parcels) >= most:
                break
        return parcels

    def in_clear(self, parcel: SpooledParcel) -> Report:
        """Return a report with its number in clear.

        Raises:
            ValueError: the number can't be opened.
        """
        return self._spool.in_clear(parcel.report)

    def waiting(self) -> str:
        """Return how many reports wait, and until when, for the log."""
        count, _ = self._spool.pending()
        return f"{count} reports wait, {self._time_left()}"

    def settle(self, parcel: SpooledParcel) -> None:
        """Forget a report: it is delivered, set aside, or lost."""
        parcel.source.done(parcel.place)

    def bury(self, parcel: SpooledParcel, code: str, reason: str, now: int) -> None:
        """Set a report aside as a dead letter, and settle it once that is on the disk."""
        self.rejected.add(code, 1)
        if self._burials is None:
            self.settle(parcel)
            return
        report, reason = parcel.report, reason[:_MOST_REASON]
        letter = DeadLetter(
            now, code[:_MOST_CODE], reason, report.kind, msgspec.Raw(report.body), report.flags
        )
        self._burials.add(letter, lambda: self.settle(parcel))

    def keep(self) -> None:
        """Record which reports are settled, and remove segments that are complete.

        Raises:
            OSError: the disk fails.
        """
        for path, reader in list(self._readers.items()):
            if reader.exhausted():
                path.unlink(missing_ok=True)
                self._close(path)
            else:
                reader.keep_cursor()

    def release(self) -> None:
        """Let another process deliver the folder."""
        for path in list(self._readers):
            self._close(path)
        if self._claim is not None:
            self._claim.release()

    def _time_left(self) -> str:
        """Return until when the oldest reports of the folder wait, for the log."""
        limits, steady = self._spool.limits, self._spool.steady
        with suppress(OSError):
            for path, _ in segments(self._folder, steady) if self._folder is not None else ():
                birth = birth_of(path)
                if birth is not None and segment.count_left(path):
                    left_ms = limits.life_ms - birth.age_ms(steady)
                    return (
                        f"the oldest are given up {f'in {_span(left_ms)}' if left_ms > 0 else 'from now on'}"
                    )
        return "in memory, until this process ends"

    def _reader(self, path: Path) -> SegmentReader | None:
        reader = self._readers.get(path)
        if reader is None and path not in self._unreadable:
            try:
                reader = self._readers[path] = SegmentReader(path)
            except FileNotFoundError:
                return None
            except OSError as error:
                self._skip(path, error)
        return reader

    def _give_up(self, path: Path) -> None:
        """Lose a segment that is too old, whoever holds it: nobody appends to one of this age."""
        reader = self._reader(path)
        if reader is None:
            return
        with suppress(OSError):  # it is tried again
            count = reader.give_up()
            if count:
                self._lost("age", count)
            self._close(path)
            drop(path, lambda count: self._lost("age", count))

    def _leave(self, path: Path) -> None:
        """Let another process deliver a segment."""
        self._readers[path].left_alone = True
        self._close(path)

    def _skip(self, path: Path, error: OSError) -> None:
        """Skip files that are not segments, or can't be read: they must not stop the others."""
        _log.error("%s can't be read (%s) and is left as it is", path, error.strerror)
        self._unreadable.add(path)
        if path in self._readers:
            self._close(path)

    def _tell(self, problem: str) -> None:
        if problem and not self.problem:
            _log.error("the spool %s can't be delivered (%s)", self._folder, problem)
        self.problem = problem

    def _forget(self, there: set[Path]) -> None:
        """Close segments that another process removed to make room."""
        for path in self._readers.keys() - there:
            self._close(path)

    def _close(self, path: Path) -> None:
        with suppress(OSError):
            self._readers.pop(path).close()

    def _set_aside(self, reader: SegmentReader) -> None:
        pieces, reader.damaged = reader.damaged, []
        self.damaged += len(pieces)
        assert self._folder is not None  # noqa: S101 - for the type checker
        file = self._folder / DAMAGED_FILE
        _log.error("%s is damaged in %d places: what can't be read is in %s", reader.path, len(pieces), file)
        fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            for piece in pieces:
                if os.fstat(fd).st_size + len(piece) <= _DAMAGED_BYTES:
                    os.write(fd, piece)
        finally:
            os.close(fd)


def _span(left_ms: int) -> str:
    """Return a time that is left, for a person: `6 days 23 h`, `59 min`."""
    minutes = left_ms // 60_000
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} days {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
