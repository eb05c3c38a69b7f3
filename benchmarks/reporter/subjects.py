"""Runs a client's process and reads what it saw."""

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.reporter.clients import CLIENTS
from benchmarks.reporter.other_side import OtherSide
from otpconv.config import environment

_KILLED = -9
#: Variables that would change what a client does, or send it elsewhere.
_OF_CLIENTS = ("OTEL_", "OTPCONV_", "POSTHOG_", "SENTRY_")
#: A subject that takes longer hangs, s.
_LONGEST_S = 300


class Subject:
    """A client whose processes follow each other on one spool.

    Attributes:
        run: what its messages are called, so that the other side can count them.
    """

    def __init__(self, folder: Path, client: str, other_side: OtherSide) -> None:
        self.run = secrets.token_hex(4)
        self._client = client
        self._other_side = other_side
        self._log = folder / "clients.log"
        spool = CLIENTS[client].spool
        self._spool = str(folder / self.run) if spool == "on disk" else spool

    def time(self, side: str, count: int, pause_s: float, *, close: bool) -> list[int]:
        """Return how long each of the calls took, ns."""
        took: list[int] = self._act("time", side, count, pause_s, close=close)
        return took

    def grow(self, side: str, count: int) -> dict[str, int]:
        """Return by how much memory grew with so many enqueued, KiB."""
        grown: dict[str, int] = self._act("grow", side, count)
        return grown

    def die(self, side: str, count: int, pause_s: float) -> None:
        """Enqueue so many, and be killed as the last call returns."""
        self._act("die", side, count, pause_s)

    def start_again(self) -> None:
        """Open the client against the healthy side, report one message more, and close it after a while."""
        self._act("start again", "healthy", 0, close=True)

    def arrived(self) -> int:
        """Return how many of its messages the other side has."""
        return self._other_side.arrived(self.run)

    def _act(self, act: str, side: str, count: int, pause_s: float = 0, *, close: bool = False) -> Any:  # noqa: ANN401
        order = {
            "client": self._client,
            "url": self._other_side.urls[side],
            "spool": self._spool,
            "run": self.run,
            "act": act,
            "count": count,
            "pause_s": pause_s,
            "close": close,
        }
        command = [sys.executable, "-m", "benchmarks.reporter.subject", json.dumps(order)]
        with self._log.open("a") as log:
            done = subprocess.run(
                command,
                check=False,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(),
                timeout=_LONGEST_S,
            )
        if done.returncode != (_KILLED if act == "die" else 0):
            last = self._log.read_text().strip().rpartition("\n")[2]
            raise SystemExit(f"{self._client}, {act}: exit code {done.returncode}: {last}")
        return json.loads(done.stdout) if done.stdout else None


def _environment() -> dict[str, str]:
    """Return this process's environment without proxies and what clients read."""
    return {
        name: value
        for name, value in environment().items()
        if not name.startswith(_OF_CLIENTS) and not name.lower().endswith("_proxy")
    }
