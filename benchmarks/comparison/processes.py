"""The CPU time of a process on this machine, and of a local PostgreSQL with all its processes."""

import os
from contextlib import suppress
from pathlib import Path

import psycopg

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far, and of its children that have ended, s."""
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:15]) / _TICKS


def postgres_cpu_s(url: str) -> float:
    """Return the CPU time so far of all processes of the PostgreSQL on this machine that a URL names, s."""
    with psycopg.connect(url) as connection:
        main = int(_stat(connection.info.backend_pid)[1])
    total = 0.0
    for child in Path(f"/proc/{main}/task/{main}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended, and counts for the main one
            total += cpu_s(int(child))
    return cpu_s(main) + total


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
