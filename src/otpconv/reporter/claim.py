"""Which process delivers a spool: the one that holds the file `delivering`, as long as it moves.

A holder shows at each step that it moves, by the file's time. One that is stopped, or hangs, for `STALE_S`
is replaced: another process puts a file of its own, which it holds, in the place of the file. The old holder
sees that at its next step and lets go. Until then both may deliver the same reports, which are counted once.
"""

import fcntl
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

CLAIM_FILE = "delivering"
#: After this long without a sign of life, s, another process takes over delivery.
STALE_S = 60.0
_SIGN_S = 1.0

_log = logging.getLogger("otpconv.reporter")


class Claim:
    """The claim of this process on a spool.

    Attributes:
        held: whether this process delivers the spool.
    """

    def __init__(self, folder: Path) -> None:
        self.held = False
        self._file = folder / CLAIM_FILE
        self._fd: int | None = None
        self._signed_at = 0.0
        self._seen_ns = 0
        self._seen_at = 0.0

    def hold(self, destination: str) -> str:
        """Keep the claim, or try to get it, and return the problem; empty if there is none.

        Raises:
            OSError: the folder can't be used.
        """
        now = time.monotonic()
        if self._fd is not None and os.fstat(self._fd).st_nlink == 0:
            if self.held:
                _log.warning("%s was taken by another process: it delivers from now on", self._file)
            self.release()
        if self._fd is None:
            self._fd = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
            self._seen_at = now
        if not self.held and not self._locked(self._fd) and not self._replaced(now):
            other = os.fsdecode(os.pread(self._fd, 4096, 0))
            wrong = other not in {"", destination}
            return f"a process delivers it to {other}: give each destination a spool of its own" * wrong
        if not self.held:
            with suppress(OSError):  # it is for people to read
                os.ftruncate(self._fd, 0)
                os.pwrite(self._fd, destination.encode(), 0)
        if not self.held or now - self._signed_at >= _SIGN_S:
            os.utime(self._fd)
            self._signed_at = now
        self.held = True
        return ""

    def release(self) -> None:
        """Let another process deliver the spool."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd, self.held = None, False

    def _locked(self, fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _replaced(self, now: float) -> bool:
        """Replace a holder that shows no sign of life. Return whether there was one."""
        assert self._fd is not None  # noqa: S101 - for the type checker
        signed_ns = os.fstat(self._fd).st_mtime_ns
        if signed_ns != self._seen_ns:
            self._seen_ns, self._seen_at = signed_ns, now
        if now - self._seen_at < STALE_S:
            return False
        mine = self._file.with_name(f"{CLAIM_FILE}.{os.getpid()}")
        mine.unlink(missing_ok=True)
        fd = os.open(mine, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Of two that do so at once, the last has it; the other sees that at its next step.
            mine.rename(self._file)
        except OSError:
            os.close(fd)
            raise
        self.release()
        self._fd = fd
        _log.warning("%s: its process has not moved for %.0f s; this one delivers now", self._file, STALE_S)
        return True
