"""How a log line looks, to people and to machines."""

import json
import logging

from otpconv.cli.logs import JsonFormatter, LineFormatter


def record(**extra: str) -> logging.LogRecord:
    made = logging.LogRecord("otpconv.web", logging.ERROR, "", 0, "%s failed", ("it",), None)
    made.__dict__.update(extra)
    return made


def test_a_line_about_a_request_has_its_id_as_a_field() -> None:
    fields = json.loads(JsonFormatter().format(record(request_id="R-1")))
    assert (fields["level"], fields["message"], fields["request_id"]) == ("error", "it failed", "R-1")
    assert "request_id" not in json.loads(JsonFormatter().format(record()))


def test_people_see_the_id_behind_the_message() -> None:
    assert LineFormatter().format(record(request_id="R-1")).endswith("ERROR it failed (request R-1)")
    assert LineFormatter().format(record()).endswith("ERROR it failed")
