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


def tree_cpu_s(pid: int) -> float:
    """Return the CPU time so far of a process and of all that it has started, s."""
    total = cpu_s(pid)
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            # It may just have ended, and counts for its parent.
            with suppress(FileNotFoundError, ProcessLookupError):
                total += tree_cpu_s(int(child))
    return total


def postgres_cpu_s(url: str) -> float:
    """Return the CPU time so far of all processes of the PostgreSQL on this machine that a URL names, s."""
    with psycopg.connect(url) as connection:
        return tree_cpu_s(int(_stat(connection.info.backend_pid)[1]))


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
