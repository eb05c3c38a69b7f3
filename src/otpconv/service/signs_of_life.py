"""What a process of the server's own needs: it notices when the server has ended, and there is one at a time.

The other end is `service/child_process.py`.
"""

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, Final

from otpconv import folder

#: The server writes a byte about once a second while the process is to run. Without one for this time, the
#: process ends: another node may do its work.
SILENCE_S: Final = 10.0
_LOOK_S: Final = 0.1


class SignsOfLife:
    """Notices when the server has ended, or hangs.

    Args:
        signs: gets a byte about once a second.
    """

    def __init__(self, signs: BinaryIO) -> None:
        self._signs = signs
        self._ended = False
        self._last = time.monotonic()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def over(self) -> bool:
        """Whether the server has ended or hangs."""
        return self._ended or time.monotonic() - self._last > SILENCE_S

    def at_end(self, then: Callable[[], None]) -> None:
        """Call something, in a thread, once the server has ended or hangs."""
        threading.Thread(target=partial(self._wait_for_end, then), daemon=True).start()

    def alone(self, file: Path) -> IO[str]:
        """Wait until an earlier process, which finishes its work, has ended, and keep others out.

        Args:
            file: what the process locks while it runs.

        Raises:
            SystemExit: the server has ended meanwhile.
        """
        while True:
            try:
                return folder.lock_file(file)
            except BlockingIOError:
                if self.over:
                    raise SystemExit(0) from None
                time.sleep(_LOOK_S)

    def _wait_for_end(self, then: Callable[[], None]) -> None:
        while not self.over:
            time.sleep(_LOOK_S)
        then()

    def _read(self) -> None:
        while os.read(self._signs.fileno(), 64):
            self._last = time.monotonic()
        self._ended = True
