"""A process of the server's own: started and ended by it, and started again when it has ended by itself.

The process gets a byte on its standard input about once a second, as a sign that the server lives; the other
end is `service/signs_of_life.py`.
"""

import logging
import subprocess
import sys
from contextlib import suppress
from typing import Final

from otpconv.config import Settings, environment

#: How long a stop waits for what the process is about to finish, s; then it is killed.
_STOP_S: Final = 5.0

_log = logging.getLogger(__name__)


class ChildProcess:
    """A process that runs a module. Call the methods from one thread at a time.

    Args:
        name: of the process, in the log, e.g. `the relay`.
        module: what it runs.
        settings: name the storage that it works on.
    """

    def __init__(self, name: str, module: str, settings: Settings) -> None:
        self._name = name
        self._module = module
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def show_life(self) -> None:
        """Show the process, if there is one, that the server lives; call it about once a second."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):  # it has ended: it is started again
                self._process.stdin.write(b".")

    def start(self) -> None:
        """Start the process if it does not run, also when it has ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            _log.error("%s's process has ended (exit code %d); it is started again", self._name, code)
            self._forget()
        if self._process is None:
            self._process = self._started()

    def stop(self) -> None:
        """End the process, once it has finished what it does."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _started(self) -> subprocess.Popen[bytes]:
        data = {"OTPCONV_DATA": str(self._settings.data.absolute())}
        if self._settings.ledger is not None:
            data["OTPCONV_LEDGER"] = self._settings.ledger.get_secret_value()
        if self._settings.public_url is not None:
            data["OTPCONV_PUBLIC_URL"] = self._settings.public_url
        return subprocess.Popen(  # noqa: S603 - a module of our own
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            env=environment() | data,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the server
        )

    def _forget(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None
