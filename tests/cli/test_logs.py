"""How a log line looks, to people and to machines."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from hypothesis import HealthCheck, given, settings, strategies as st

from otpconv import audit
from otpconv.cli.local_server import LocalServer
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


def audited(folder: Path, **line: str) -> logging.LogRecord:
    """The record that an audit event makes."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    log = logging.getLogger("otpconv.audit")
    log.addHandler(handler)
    before = log.level
    log.setLevel(logging.INFO)
    try:
        audit.record(folder, **line)  # type: ignore[arg-type]
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
    return records[0]


def strings_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from strings_in(each)
    elif isinstance(value, str):
        yield value


@given(st.text(max_size=30), st.text(max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_audit_event_is_fields_of_the_line_and_no_json_inside_json(
    tmp_path: Path, who: str, subject: str
) -> None:
    made = audited(
        tmp_path, who=who.encode("utf-8", "replace").decode(), what="CreateUser", subject="user a/b"
    )
    line = json.loads(JsonFormatter().format(made))
    assert (line["logger"], line["what"], line["outcome"]) == ("otpconv.audit", "CreateUser", "done")
    assert line["subject"] == "user a/b"
    assert not any(text.startswith("{") for text in strings_in(line) if text != who)
    subject = subject.encode("utf-8", "replace").decode()
    text = LineFormatter().format(audited(tmp_path, who="cli:root", what="CreateUser", subject=subject))
    assert "CreateUser: done" in text
    assert "who=cli:root" in text
    # Nobody can end a line, or begin a field, by a name that he chooses.
    assert len(text.splitlines()) == 1
    assert text.count(" outcome=") == 1 or " outcome=" in subject


def test_a_server_writes_refusals_as_fields_of_its_log_and_no_secret(
    make_server: Callable[..., LocalServer],
) -> None:
    server = make_server()
    server.start()
    httpx.get(f"{server.url}/v1/rates", auth=(server.access_key_id, "wr0ng-secret"))
    server.stop()
    text = server.log.read_text()
    (line,) = [
        line
        for line in map(json.loads, filter(lambda line: line.startswith("{"), text.splitlines()))
        if line["logger"] == "otpconv.audit" and line.get("from")
    ]
    assert (line["who"], line["what"]) == (server.access_key_id, "otpconv:QueryRates")
    assert (line["from"], line["message"]) == ("127.0.0.1", "otpconv:QueryRates: BadCredentials")
    assert line["request_id"]
    for secret in ("wr0ng-secret", server.access_key_secret):
        assert secret not in text
