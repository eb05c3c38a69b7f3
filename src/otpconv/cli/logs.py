"""Logs on standard error: lines for people on a terminal, JSON otherwise."""

import json
import logging
import sys
from datetime import UTC, datetime

from otpconv.cli.characters import as_json, one_line, visible


def log_to_stderr(level: str) -> None:
    """Send everything from `level` (as `info`) on to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter() if sys.stderr.isatty() else JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler])


def quiet_reporter() -> None:
    """Keep a reporter's log off standard error: the command says in the end how it went."""
    logging.getLogger("otpconv.reporter").addHandler(logging.NullHandler())


class LineFormatter(logging.Formatter):
    """A line for people: time, level, message, its fields, and the request's id if it is about one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s%(more)s", defaults={"more": ""})

    def format(self, record: logging.LogRecord) -> str:  # type: ignore[explicit-override]
        """Return the line of a record."""
        more = "".join(f" {name}={_word(value)}" for name, value in _fields(record).items())
        if request_id := getattr(record, "request_id", ""):
            more += f" (request {request_id})"
        record.more = more
        return visible(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # type: ignore[explicit-override]  # noqa: N802
        """Return the line without the traceback: a message can't make another one."""
        return one_line(super().formatMessage(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger and message, then the record's own fields.

    These are the members of an audit event, the request's id and the exception, if there are any.
    """

    def format(self, record: logging.LogRecord) -> str:  # type: ignore[explicit-override]
        """Return the line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if request_id := getattr(record, "request_id", ""):
            line["request_id"] = request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return as_json(line)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields a record was logged with, by `extra={"fields": …}`."""
    fields: dict[str, object] = getattr(record, "fields", {})
    return fields


def _word(value: object) -> str:
    """Return a value as one word of a line: spaces, quotes and control characters make it a JSON string."""
    text = str(value)
    plain = text.isprintable() and not any(char in text for char in ' "=')
    return text if text and plain else json.dumps(text)
