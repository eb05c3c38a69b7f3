"""The form of a report on a broker: its schema is written down, and it is the native API's object."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from msgspec import structs

from otpconv.delivery.reports import MESSAGE, Report, conversion, requested
from otpconv.dialects.native.events import ConversionEvent, Malformed, RequestedEvent, native_of, schema
from otpconv.dialects.native.reports import ConversionIn, MessageIn

SCHEMA = Path(__file__).resolve().parents[2] / "docs/reference/report.schema.json"

NOW = 1_700_000_000_000
FIELDS: dict[str, object] = {
    "country": "DE", "carrier": "c", "provider": "p", "template": "t", "sender": "s",
    "channel": "voice", "session_id": "x", "attempt": 2,
}  # fmt: skip
REPORTS = [
    Report(MESSAGE, requested("1", NOW, "+4915112345678", FIELDS)),
    Report(MESSAGE, requested("1", NOW, None, {})),
    Report(0, conversion("1", delivered=True, conversion_time=NOW, to=None)),
    Report(0, conversion(None, delivered=False, conversion_time=NOW, to="+4915112345678")),
]


def test_the_schema_that_is_written_down_is_the_one_of_the_types() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema()


@pytest.mark.parametrize("report", REPORTS)
def test_the_event_of_a_report_is_its_object_with_its_kind_and_fits_the_schema(report: Report) -> None:
    event = json.loads(report.event)
    assert event == {"kind": report.kind} | json.loads(report.body)
    jsonschema_rs.validator_for(schema()).validate(event)


@pytest.mark.parametrize("report", REPORTS)
def test_an_event_gives_the_native_object_back(report: Report) -> None:
    is_requested, item = native_of(report.event)
    assert is_requested == bool(report.flags & MESSAGE)
    assert json.loads(item) == json.loads(report.body)


def test_an_event_on_several_lines_and_with_nulls_becomes_one_line() -> None:
    written = {"conversion_time": 1, "kind": "conversion", "message_id": "1", "to": None, "delivered": True}
    assert native_of(json.dumps(written, indent=2).encode()) == (
        False,
        b'{"delivered":true,"conversion_time":1,"message_id":"1"}',
    )


def test_an_event_says_that_its_time_is_unknown_and_so_does_its_native_object() -> None:
    event = b'{"kind":"conversion","message_id":"1","delivered":true,"conversion_time":null}'
    jsonschema_rs.validator_for(schema()).validate(json.loads(event))
    assert native_of(event) == (False, b'{"delivered":true,"conversion_time":null,"message_id":"1"}')


@pytest.mark.parametrize(("event", "native"), [(RequestedEvent, MessageIn), (ConversionEvent, ConversionIn)])
def test_an_event_has_the_fields_of_the_native_api_and_their_bounds_but_its_time_is_required(
    event: type[Any], native: type[Any]
) -> None:
    ours, theirs = ({field.name: field for field in structs.fields(kind)} for kind in (event, native))
    assert ours.keys() == theirs.keys()
    defs = schema()["$defs"][event.__name__]["properties"]
    for name in ours.keys() - {"requested_at", "conversion_time", "message_id", "to", "country"}:
        assert (name, ours[name].type, ours[name].default) == (name, theirs[name].type, theirs[name].default)
    assert {name for name in defs if name.endswith(("_at", "_time"))} <= set(
        schema()["$defs"][event.__name__]["required"]
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"kind":"other"}',
        b'{"kind":"conversion","message_id":"1","delivered":true}',
        b'{"kind":"conversion","message_id":"1","delivered":1,"conversion_time":1}',
        b'{"kind":"conversion","message_id":"1","delivered":true,"conversion_time":1,"more":1}',
        b'{"kind":"requested","message_id":"a b","requested_at":1}',
        b'{"kind":"requested","message_id":"1","requested_at":1}{}',
    ],
)
def test_what_is_no_event_is_malformed_and_one_line_says_why(body: bytes) -> None:
    with pytest.raises(Malformed) as error:
        native_of(body)
    assert "\n" not in str(error.value)
    assert str(error.value)
