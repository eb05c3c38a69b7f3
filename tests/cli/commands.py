"""Commands of `otpconv` in the process of the tests: a process of its own takes most of a second to start."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout

import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.cli.main import run
from quick_start import finished

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def otpconv(*arguments: object, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as its process does: the same entry, environment, files, and exit code.

    Args:
        arguments: the words after `otpconv`.
        settings: variables without their OTPCONV_; there are no others.
    """
    words = ["otpconv", *map(str, arguments)]
    # Files, because a command may write to the descriptor.
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as err,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name in [name for name in os.environ if name.startswith("OTPCONV_")]:  # noqa: TID251
            patch.delenv(name)
        for name, value in settings.items():
            patch.setenv(f"OTPCONV_{name.upper()}", value)
        patch.setattr(sys, "argv", words)
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            run()
        out.seek(0)
        err.seek(0)
        code = ended.value.code
        assert isinstance(code, int)
        return subprocess.CompletedProcess(words, code, out.read(), err.read())


def in_a_process(*arguments: object, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a process of its own: for claims about its log, its signals or its terminal.

    Args:
        arguments: the words after `otpconv`.
        settings: variables without their OTPCONV_; there are no others.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTPCONV_")}  # noqa: TID251
    variables = {f"OTPCONV_{name.upper()}": value for name, value in settings.items()}
    return finished([*map(str, arguments)], kept | variables)


def client_of(server: LocalServer, key: AccessKey | None = None) -> dict[str, str]:
    """Return the settings of a client of a server, with a key or else the administrator's."""
    return {
        "endpoint": server.url,
        "access_key_id": key.access_key_id if key else server.access_key_id,
        "access_key_secret": key.secret if key else server.access_key_secret,
    }
