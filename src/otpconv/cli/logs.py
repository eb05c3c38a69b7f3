"""Logs on standard error: lines for people on a terminal, JSON otherwise."""

import logging
import sys
from datetime import UTC, datetime

import msgspec


def log_to_stderr(level: str) -> None:
    """Send everything from `level` (as `info`) on to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    if not sys.stderr.isatty():
        handler.setFormatter(JsonFormatter())
    logging.basicConfig(
        level=level.upper(), handlers=[handler], format="%(asctime)s %(levelname)s %(message)s"
    )


def quiet_reporter() -> None:
    """Keep a reporter's log off standard error: the command says in the end how it went."""
    logging.getLogger("otpconv.reporter").addHandler(logging.NullHandler())


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the exception if there is one."""

    def format(self, record: logging.LogRecord) -> str:  # type: ignore[explicit-override]
        """Return the line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()
