"""Reports: wrong arguments raise at once, and a line of the spool shows whether it is whole."""

import json
from zlib import crc32

import pytest
from hypothesis import given, strategies as st

from otpconv.delivery.reports import (
    MESSAGE,
    OWN_CLOCK,
    Report,
    check_time,
    conversion,
    fields_of,
    line_of,
    number_in,
    read_line,
    requested,
)
from otpconv.dialects.native.timed import TimedConversion, TimedMessage

NOW = 1_700_000_000_000
IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)
TIMES = st.integers(946_684_800_000, 253_370_764_800_000)
NUMBERS = st.text("0123456789", min_size=5, max_size=15).map(lambda digits: f"+{digits}")


@given(IDS, st.booleans(), TIMES, st.none() | NUMBERS)
def test_a_conversion_reads_back_as_it_was_reported(
    id_: str, told: object, time: int, to: str | None
) -> None:
    body = conversion(id_, bool(told), time, to)
    fields = json.loads(body)
    assert fields == {
        "message_id": id_,
        "delivered": told,
        "conversion_time": time,
        **({"to": to} if to else {}),
    }
    assert isinstance(fields_of(Report(0, body)), TimedConversion)


def test_a_message_reads_back_with_the_fields_that_were_told_and_no_others() -> None:
    fields = {"provider": "acme", "country": "DE", "attempt": 2, "session_id": None}
    body = requested("m1", NOW, None, fields)
    assert json.loads(body) == {
        "message_id": "m1",
        "requested_at": NOW,
        "provider": "acme",
        "country": "DE",
        "attempt": 2,
    }
    assert isinstance(fields_of(Report(MESSAGE, body)), TimedMessage)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((None, True, NOW, None), TypeError),
        ((17, True, NOW, None), TypeError),
        (("", True, NOW, None), ValueError),
        (("a b", True, NOW, None), ValueError),
        (("a\n", True, NOW, None), ValueError),
        (("x" * 256, True, NOW, None), ValueError),
        (("a", 1, NOW, None), TypeError),
        (("a", "true", NOW, None), TypeError),
    ],
)
def test_a_conversion_that_cannot_be_meant_raises(
    arguments: tuple[object, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        conversion(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"provider": 1}, TypeError),
        ({"provider": "a\nb"}, ValueError),
        ({"template": "x" * 129}, ValueError),
        ({"country": "DEU"}, ValueError),
        ({"country": "D1"}, ValueError),
        ({"attempt": 0}, ValueError),
        ({"attempt": 1001}, ValueError),
        ({"attempt": "1"}, TypeError),
    ],
)
def test_a_message_that_cannot_be_meant_raises(fields: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        requested("a", NOW, None, fields)


@pytest.mark.parametrize(
    ("time", "error"),
    [(1.5, TypeError), (True, TypeError), (NOW // 1000, ValueError), (-1, ValueError), (1 << 60, ValueError)],
)
def test_a_given_time_that_cannot_be_meant_raises(time: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="conversion_time"):
        check_time("conversion_time", time)


#: What software puts into a number: blank space, marks of direction, dashes, parentheses.
ADDED = st.text(" \u00a0\u200e\u200f\u202a\u202c\ufeff\t\n-().\u2011", max_size=2)


@given(NUMBERS, st.sampled_from(["", "whatsapp:", "tel:", "SMS:"]), st.booleans(), st.data())
def test_a_number_is_read_however_software_writes_it(
    number: str,
    scheme: str,
    wide: bool,  # noqa: FBT001
    data: st.DataObject,
) -> None:
    digits = number.translate({ord("0") + n: 0xFF10 + n for n in range(10)}) if wide else number
    written = "".join(f"{data.draw(ADDED)}{each}" for each in digits) + data.draw(ADDED)
    assert number_in(f"{data.draw(ADDED).strip('-().')}{scheme}{written}") == number


@given(st.text(max_size=80))
def test_a_text_is_a_number_or_none_and_raises_nothing(text: str) -> None:
    number = number_in(text)
    assert number is None or number.removeprefix("+").isdecimal()


def test_a_number_that_is_no_text_raises_without_repeating_it() -> None:
    with pytest.raises(TypeError, match="country code") as caught:
        number_in(4930901820)  # type: ignore[arg-type]
    assert "30901820" not in str(caught.value)


@given(st.integers(0, 7), st.binary().filter(lambda body: b"\n" not in body))
def test_a_line_gives_back_its_report(flags: int, body: bytes) -> None:
    line = line_of(flags, body)
    assert line.endswith(b"\n")
    assert read_line(line[:-1]) == Report(flags, body)


@given(st.integers(0, 7), IDS, st.data())
def test_a_line_with_one_changed_byte_is_seen_to_be_damaged(
    flags: int, id_: str, data: st.DataObject
) -> None:
    line = bytearray(line_of(flags, conversion(id_, True, NOW, None))[:-1])
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= data.draw(st.integers(1, 255))
    assert read_line(bytes(line)) is None


def test_a_line_whose_checksum_fits_and_whose_flags_are_none_is_damaged() -> None:
    rest = b"x {}"
    assert read_line(b"%08x %b" % (crc32(rest), rest)) is None
    assert read_line(b"") is None


def test_the_flags_tell_what_kind_a_report_is() -> None:
    assert Report(MESSAGE | OWN_CLOCK, b"").kind == "requested"
    assert Report(OWN_CLOCK, b"").kind == "conversion"
