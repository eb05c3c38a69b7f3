"""Starts commands with the rights of a deployed server; see `confine.py`."""

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO

import pytest

from debian import program

_CONFINE = Path(__file__).with_name("confine.py")


def confined(
    command: list[str],
    *,
    writable: Path,
    environment: Mapping[str, str],
    log: IO[str],
    calls: list[str] | None = None,
    own_processes_only: bool = False,
) -> "subprocess.Popen[str]":
    """Start a command that may write to one folder only and has no capability; its output is a pipe.

    Args:
        command: with the path of its program.
        writable: the folder.
        environment: all variables of the command.
        log: gets the errors.
        calls: the system calls that it may make; None: all.
        own_processes_only: whether /proc shows nothing but processes.
    """
    rights = {"writable": [str(writable)], "calls": calls, "own_processes_only": own_processes_only}
    return subprocess.Popen(  # noqa: S603 - the command of a test
        [*_unshare(), sys.executable, str(_CONFINE), json.dumps(rights), *command],
        cwd=writable,
        env={**environment},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )


@cache
def _unshare() -> list[str]:
    """Return the command that gives another one its own mount namespace; skip where that is not allowed."""
    command = [program("unshare", "util-linux"), "--mount", "--propagation=private"]
    tried = subprocess.run(  # noqa: S603 - Debian's own program
        [*command, "true"], capture_output=True, text=True, check=False, timeout=30
    )
    return command if tried.returncode == 0 else pytest.skip(f"no rights: {tried.stderr.strip()}")
