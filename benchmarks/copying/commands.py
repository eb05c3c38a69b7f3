"""Commands of otpconv in processes of their own, with the memory and the time that they take."""

import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from resource import struct_rusage
from typing import Any

from msgspec import Struct

from otpconv.config import environment

#: How often a running command is looked at, s.
_LOOK_S = 0.05


class Done(Struct, frozen=True):
    """A command that has ended.

    Attributes:
        output: what it printed; None if it was killed.
        began, ended: `perf_counter`, s.
        cpu_s: its CPU time, s.
        rss_mb: the most memory that it had at once, MB.
    """

    output: Any
    began: float
    ended: float
    cpu_s: float
    rss_mb: int

    def figures(self) -> dict[str, object]:
        """Return what it took."""
        return {"s": round(self.ended - self.began, 1), "cpu_s": round(self.cpu_s, 1), "rss_mb": self.rss_mb}


def otpconv(*words: object, settings: Mapping[str, str], killed_after: float | None = None) -> Done:
    """Run a command and return what it printed as JSON.

    Args:
        words: of the command.
        settings: as OTPCONV_* variables.
        killed_after: kill it after so many seconds, if it still runs.

    Raises:
        SystemExit: it failed.
    """
    command = [sys.executable, "-m", "otpconv", *map(str, words), "--json"]
    began = time.perf_counter()
    with subprocess.Popen(
        command, env={**environment(), **settings}, stdout=subprocess.PIPE, text=True
    ) as process:
        usage, rss_mb = _waited(process, None if killed_after is None else began + killed_after)
        output = process.stdout.read() if process.stdout else ""
    done = Done(
        json.loads(output) if output else None,
        began,
        time.perf_counter(),
        usage.ru_utime + usage.ru_stime,
        rss_mb,
    )
    if process.returncode and not (killed_after and process.returncode < 0):
        raise SystemExit(f"{' '.join(command[2:])} failed: {output}")
    return done


def _waited(process: subprocess.Popen[str], until: float | None) -> tuple[struct_rusage, int]:
    """Wait for the end of a process, or kill it then; return what it used, and its most memory, MB.

    The memory that `wait4` returns is that of this process, if it has more.
    """
    rss_kib = 0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage, rss_kib // 1024
        if found := re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{process.pid}/status").read_text()):
            rss_kib = int(found[1])
        if until is not None and time.perf_counter() > until:
            process.kill()
        time.sleep(_LOOK_S)


def killed_at_random(*words: object, settings: Mapping[str, str], within_s: float) -> Done:
    """Run a command and kill it at a random time."""
    return otpconv(*words, settings=settings, killed_after=random.uniform(1, within_s))
