"""Processes of otpconv that start at once: forked from one that has imported it, which takes 0.5 s of CPU.

The fork becomes what `python -m otpconv` is: a process of its own session with its own arguments,
environment, files and exit. Tests of the start itself use `subprocess`.
"""

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import IO, Any

from otpconv.cli.local_server import run_otpconv

_MODULES = ("otpconv.cli.serve", "otpconv.service.compose", "otpconv.web.app", "otpconv.web.front.server")
_MAX_REQUEST_BYTES = 1 << 20
#: How long a command may run, s: other tests run at the same time.
_PATIENCE_S = 60


class Fork:
    """A forked server, with those parts of `subprocess.Popen` that `LocalServer` uses.

    Attributes:
        pid: its number.
        stdout: its output.
        returncode: its exit code, or the negative number of the signal that ended it; None: it runs.
    """

    def __init__(self, words: list[str], log: IO[str], environment: dict[str, str]) -> None:
        request = json.dumps({"words": words, "environment": environment, "folder": os.getcwd()})  # noqa: PTH109
        read_output, write_output = os.pipe()
        read_status, write_status = os.pipe()
        with _one_at_a_time:
            socket.send_fds(_origin(), [request.encode()], [write_output, log.fileno(), write_status])
        os.close(write_output)
        os.close(write_status)
        self.stdout = open(read_output, encoding="utf-8")  # noqa: SIM115, PTH123
        self._status = open(read_status, encoding="ascii")  # noqa: SIM115, PTH123
        self.pid = int(self._status.readline())
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, for at most some seconds, and return its exit code."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("otpconv serve", timeout or 0)
            self.returncode = os.waitstatus_to_exitcode(int(self._status.readline()))
            self._status.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None and not select.select([self._status], [], [], 0)[0]:
            with suppress(ProcessLookupError):  # it ended, and its exit code is on its way
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


def run_otpconv_at_once(words: list[str], log: IO[str], environment: dict[str, str]) -> Any:  # noqa: ANN401
    """Start `otpconv` by a fork, where its environment does not change how Python itself starts."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("OTPCONV_")}  # noqa: TID251
    theirs = {name: value for name, value in environment.items() if not name.startswith("OTPCONV_")}
    return (Fork if mine == theirs else run_otpconv)(words, log, environment)


def finished(words: list[str], environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run `otpconv` at once until it ends by itself, and return its output, its errors and its exit code."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        process = run_otpconv_at_once(words, errors, environment)
        overdue = threading.Timer(_PATIENCE_S, process.kill)
        overdue.start()
        with process.stdout:
            output = process.stdout.read()
        code = process.wait()
        overdue.cancel()
        errors.seek(0)
        return subprocess.CompletedProcess(["otpconv", *words], code, output, errors.read())


_one_at_a_time = threading.Lock()


@cache
def _origin() -> socket.socket:
    """Start the process to fork from, and return the way to it; it and all forks end with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    alive, our_end = os.pipe()
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, __file__, str(theirs.fileno()), str(alive)],
        pass_fds=[theirs.fileno(), alive],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    theirs.close()
    os.close(alive)

    def end() -> None:
        ours.close()
        os.close(our_end)
        process.wait()

    atexit.register(end)
    return ours


def _serve(way: socket.socket, alive: int) -> None:
    """Fork for every request, until nobody can make another; return in the fork.

    Args:
        way: where requests come from.
        alive: a pipe that is at its end when the process that asks has ended, however it ended.
    """
    for name in _MODULES:
        import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for the servers
    while True:
        request, files, *_ = socket.recv_fds(way, _MAX_REQUEST_BYTES, 3)
        if not request:
            sys.exit()
        if os.fork() == 0:
            break
        for each in files:
            os.close(each)
    way.close()
    output, errors, status = files
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid:
        os.write(status, f"{pid}\n".encode())
        for each in (0, 1, 2, output, errors):
            os.close(each)
        ended = os.pidfd_open(pid)
        if alive in select.select([alive, ended], [], [])[0]:
            os.kill(pid, signal.SIGKILL)
        os.write(status, f"{os.waitpid(pid, 0)[1]}\n".encode())
        os._exit(0)
    os.close(alive)
    os.setsid()
    os.dup2(output, 1)
    os.dup2(errors, 2)
    for each in files:
        os.close(each)
    _become(json.loads(request))


def _become(process: dict[str, object]) -> None:
    words, environment, folder = process["words"], process["environment"], process["folder"]
    assert isinstance(words, list)
    assert isinstance(environment, dict)
    assert isinstance(folder, str)
    sys.argv[1:] = words
    os.environ.clear()  # noqa: TID251 - of the new process
    os.environ.update(environment)  # noqa: TID251 - likewise
    os.chdir(folder)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
    from otpconv.cli.main import run

    run()
