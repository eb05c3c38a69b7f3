"""Ids and numbers of import files: what other programs did to them is repaired for certain, or refused."""

import json

import pytest
from hypothesis import given, strategies as st

from cli.reading import Read, read
from otpconv.cli.importing.spreadsheet import EXPANDED, LONG_ID, ROUNDED, UNPOINTED
from otpconv.csv_cells import escaped, unescaped

AT = "2026-11-20T10:00:00Z"
DIGITS = st.integers(10_000, 2**53 - 1).map(str)


def ids(*texts: str) -> Read:
    rows = "".join(f'"{text.replace(chr(34), chr(34) * 2)}",{AT}\n' for text in texts)
    return read(f"message_id,requested_at\n{rows}")


def message_ids(found: Read) -> list[str]:
    return [message["message_id"] for message in found.messages]


@given(DIGITS, st.sampled_from([".0", ".00", ",0", ",00"]))
def test_a_point_and_zeros_after_a_whole_number_are_removed_and_that_is_said(digits: str, end: str) -> None:
    found = ids(digits + end)
    assert message_ids(found) == [digits]
    assert UNPOINTED in found.notes


@given(st.integers(2**53, 10**30).map(str))
def test_a_number_that_floating_point_can_not_hold_is_refused(digits: str) -> None:
    found = ids(f"{digits}.0")
    assert message_ids(found) == []
    assert "as text" in found.rejects[2]


@given(st.integers(10**5, 10**15), st.integers(0, 14), st.sampled_from(["E+", "e+"]))
def test_scientific_notation_is_written_out_where_no_digit_is_lost_and_else_refused(
    number: int, kept: int, mark: str
) -> None:
    text = f"{number:.{kept}e}".replace("e+", mark)
    found = ids(text)
    power = int(text[-2:])
    if kept < power:
        assert found.messages == []
        assert "digits are lost" in found.rejects[2]
    else:
        assert message_ids(found) == [str(number)]
        assert EXPANDED in found.notes


@pytest.mark.parametrize(
    "text", ["1,008,030,399", "1.008.030.399", "#REF!", "#NAME?", "########", "1\u00a0008\u00a0030\u00a0399"]
)
def test_what_a_spreadsheet_made_of_an_id_is_refused(text: str) -> None:
    found = ids(text)
    assert found.messages == []
    assert "as text" in found.rejects[2]


@pytest.mark.parametrize("word", ["NULL", "nan", "None", "#N/A", "\\N", "(null)"])
def test_a_word_for_no_value_is_no_id(word: str) -> None:
    assert "message_id" not in ids(word).messages[0]


@given(
    st.one_of(
        st.uuids().map(str),
        st.from_regex(r"[0-9A-F]{16,40}", fullmatch=True),
        st.from_regex(r"[0-9]{18}\^0", fullmatch=True),
        st.from_regex(r"[0-9]{1,6}E[0-9]{1,6}", fullmatch=True),
    )
)
def test_the_ids_of_vendors_stay_as_they_are(text: str) -> None:
    assert message_ids(ids(text)) == [text]


@given(st.from_regex(r"\+?[0-9]{5,20}", fullmatch=True))
def test_what_makes_a_number_a_text_in_a_spreadsheet_is_removed(digits: str) -> None:
    assert message_ids(ids(f"'{digits}", f'="{digits}"')) == [digits, digits]


@given(st.from_regex(r"'?[=+'0-9@-][ -~]*", fullmatch=True))
def test_a_text_that_looks_marked_is_exported_and_imported_as_it_was(text: str) -> None:
    assert unescaped(escaped(text)) == text


def test_numbers_of_phones_are_repaired_like_ids_and_a_damaged_one_is_left_to_the_server() -> None:
    rows = "".join(
        f'm{n},{AT},"{to}"\n' for n, to in enumerate(("4915112349999.0", "+4915112349999.00", "4.91511E+12"))
    )
    found = read(f"message_id,requested_at,to\n{rows}")
    assert [message["to"] for message in found.messages] == ["4915112349999", "+4915112349999", "4.91511E+12"]
    assert found.notes == [UNPOINTED, UNPOINTED]


@given(st.integers(1, 2**64))
def test_numbers_in_json_are_ids_where_they_are_exact(number: int) -> None:
    def one(value: float | str) -> Read:
        return read(json.dumps({"message_id": value, "requested_at": AT}) + "\n")

    assert message_ids(one(number)) == [str(number)]
    exact = number < 2**53
    assert message_ids(one(float(number))) == ([str(number)] if exact else [])
    assert message_ids(one(number + 0.5)) == ([] if number < 2**50 else message_ids(one(float(number + 0.5))))
    assert read(json.dumps({"message_id": True, "requested_at": AT})).rejects != {}


def test_ids_rounded_to_fifteen_digits_are_noticed() -> None:
    assert ids("300900001111222000").notes == [LONG_ID, ROUNDED]
    assert ids("300900001111222233").notes == [LONG_ID]
