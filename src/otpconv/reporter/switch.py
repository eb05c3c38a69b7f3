"""The manual switch: degraded, nothing is delivered, whatever the other side is like."""

import logging
from pathlib import Path

from otpconv.delivery import environment

FILE = "degraded"

_log = logging.getLogger("otpconv.reporter")


class Switch:
    """Degraded by a call, by the environment when the process began, or by a file that an operator made."""

    def __init__(self, file: Path | None) -> None:
        """Create the switch.

        Args:
            file: delivery stops while it exists; None: there is no such file.
        """
        self._file = file
        self._by_call = False
        self._by_environment = environment.degraded()
        self._told = ""

    def degrade(self) -> None:
        """Deliver nothing from now on."""
        self._by_call = True

    def restore(self) -> None:
        """Take back what `degrade` and the environment said; a file stays, and degrades on."""
        self._by_call = self._by_environment = False

    def look(self) -> bool:
        """Return whether it is degraded, now; a change is logged."""
        why = "by a call" if self._by_call else "by OTPCONV_DEGRADED" if self._by_environment else ""
        if not why and self._file is not None and self._file.exists():
            why = f"by the file {self._file}"
        if bool(why) != bool(self._told):
            if why:
                _log.warning("degraded %s: nothing is delivered", why)
            else:
                _log.warning("restored: reports are delivered again")
        self._told = why
        return bool(why)
