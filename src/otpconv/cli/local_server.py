"""A server in a process of its own, for the demo, the benchmark, and the tests."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from otpconv.errors import Misconfigured

#: How long a stop may take before the process is killed, s.
_STOP_S = 30.0


def run_otpconv(words: list[str], log: IO[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    """Start `otpconv` in a session of its own; its output is a pipe, and its errors go to a log."""
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "otpconv", *words],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=environment,
        start_new_session=True,
    )


class LocalServer:
    """`otpconv serve` on a free port of this machine; the first key of its data folder is ours.

    Attributes:
        data: the data folder; it outlives the server.
        url: where the server answers, once it is started.
        log: the file with the server's log.
        access_key_id: of an administrator.
        access_key_secret: of the same.
        run: starts the process.
    """

    run = staticmethod(run_otpconv)

    def __init__(self, data: Path, settings: dict[str, str] | None = None, port: int = 0) -> None:
        """Prepare a server; `start` runs it.

        Args:
            data: the data folder.
            settings: as OTPCONV_* variables.
            port: of the server; 0: a free one.
        """
        self.data = data
        self.log = data.with_name(f"{data.name}.log")
        self._settings = settings or {}
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.access_key_id = ""
        self.access_key_secret = ""

    def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            Misconfigured: it ended instead; the text is its last words.
        """
        with self.log.open("a") as log:
            words = ["serve", "--json", "--port", str(self._port), "--data", str(self.data)]
            self._process = self.run(words, log, _environment(self._settings))
        assert self._process.stdout is not None  # noqa: S101 - for the type
        started = self._process.stdout.readline()
        if not started:
            self.stop()
            raise Misconfigured(
                self.log.read_text().strip().rpartition("\n")[2] or "the server did not start"
            )
        fields = json.loads(started)
        self.url = fields["url"]
        if fields["key_file"] is not None:
            key = Path(fields["key_file"]).read_text().strip()
            self.access_key_id, _, self.access_key_secret = key.partition(":")

    def stop(self) -> int:
        """Ask the process to stop, as an operator does, and return its exit code."""
        return self.signal(signal.SIGTERM)

    def kill(self) -> int:
        """Kill the process at once, as a crash does, and return its exit code."""
        return self.signal(signal.SIGKILL)

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None  # noqa: S101 - for the type
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def signal(self, number: signal.Signals) -> int:
        """Send a signal that ends the process and return its exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return self._process.returncode


def _environment(settings: dict[str, str]) -> dict[str, str]:
    """Return this process's environment without its own otpconv settings, and with those given."""
    from otpconv.config import environment

    kept = {name: value for name, value in environment().items() if not name.startswith("OTPCONV_")}
    return kept | settings
