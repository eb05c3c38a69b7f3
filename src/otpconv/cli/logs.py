"""Logs on standard error: lines for people on a terminal, JSON otherwise."""

import logging
import sys
from datetime import UTC, datetime

import msgspec


def log_to_stderr(level: str) -> None:
    """Send everything from `level` (as `info`) on to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter() if sys.stderr.isatty() else JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler])


def quiet_reporter() -> None:
    """Keep a reporter's log off standard error: the command says in the end how it went."""
    logging.getLogger("otpconv.reporter").addHandler(logging.NullHandler())


class LineFormatter(logging.Formatter):
    """A line for people: time, level, message, and the request's id if it is about one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s%(request)s", defaults={"request": ""})

    def format(self, record: logging.LogRecord) -> str:  # type: ignore[explicit-override]
        """Return the line of a record."""
        if request_id := getattr(record, "request_id", ""):
            record.request = f" (request {request_id})"
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the request's id and the exception if any."""

    def format(self, record: logging.LogRecord) -> str:  # type: ignore[explicit-override]
        """Return the line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := getattr(record, "request_id", ""):
            line["request_id"] = request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()
