"""Processes that report: children that note, after each report returned, which message it was about."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from otpconv.reporter import Reporter

_T = TypeVar("_T")

PATIENCE_S = 30.0
ACCESS = ("testid", "testsecret")

#: Reports without end, or so many; notes what returned; `more` runs between the two.
PROGRAM = """
import os, signal, sys, time
from otpconv.reporter import Reporter
# Where a shell runs the tests in the background, they inherit that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
url, spool, notes, name, count, more = sys.argv[1:7]
reporter = Reporter(url, *sys.argv[7:9], spool=spool, timeout_ms=2000, longest_pause_ms=100)
noted = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
number = 0
while not int(count) or number < int(count):
    reporter.report(f"{name}-{number}")
    os.write(noted, f"{name}-{number}\\n".encode())
    number += 1
    time.sleep(0 if int(count) else 0.0002)
exec(more)
"""


class Reporting:
    """A child process that reports.

    Attributes:
        notes: the file in which it notes what returned.
        process: the process.
    """

    def __init__(
        self,
        url: str,
        spool: str | Path,
        notes: Path,
        name: str,
        *,
        count: int = 0,
        more: str = "",
        access: tuple[str, str] = ACCESS,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.notes = notes
        arguments = [url, str(spool), str(notes), name, str(count), more, *access]
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", PROGRAM, *arguments],
            env=dict(os.environ) | (environment or {}),  # noqa: TID251 - a child's own
            stderr=subprocess.PIPE,
            text=True,
        )

    def returned(self) -> list[str]:
        """The messages whose reports returned; the last note of a killed process may be cut off."""
        return self.notes.read_text().split("\n")[:-1] if self.notes.exists() else []

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal and wait; return the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        try:
            _, self.words = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode


def eventually(read: Callable[[], _T], wanted: Callable[[_T], bool]) -> _T:
    """Read again and again until it is as wanted."""
    deadline = time.monotonic() + PATIENCE_S
    while not wanted(found := read()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert wanted(found), found
    return found


def drain(url: str, spool: str | Path, access: tuple[str, str] = ACCESS) -> Reporter:
    """Deliver all that a spool holds, as a last process does, and return the closed reporter."""
    reporter = Reporter(url, *access, spool=spool, longest_pause_ms=100)
    reporter.start()
    eventually(reporter.stats, lambda stats: stats.pending_bytes == 0 and stats.delivering)
    reporter.close()
    return reporter
