"""Operators one by one: their laws, and the wildcards they and the actions share."""

import re

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from otpconv.access.policies.conditions import (
    KEYS,
    OPERATORS,
    Condition,
    compile_condition,
    parse_instant,
)
from otpconv.access.policies.patterns import Globs
from otpconv.clock import iso_8601

KEY = "app:Key"
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}
OPPOSITE = {
    "NumericLessThan": "NumericGreaterThanEquals",
    "NumericLessThanEquals": "NumericGreaterThan",
    "DateLessThan": "DateGreaterThanEquals",
    "DateLessThanEquals": "DateGreaterThan",
}

texts = st.text(alphabet="abAB*?/ é", max_size=6)
numbers = st.one_of(
    st.integers(-20, 20).map(str),
    st.decimals(-20, 20, places=2).map(str),
    st.sampled_from(["1e1", "+5", "-0", "0.0", "10.00"]),
)
dates = st.builds(
    "2026-0{}-1{}T0{}:00:00{}".format,
    st.integers(1, 9),
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from(["Z", ".5Z", "+00:00", "-05:00", "+05:30"]),
)
addresses = st.one_of(
    st.ip_addresses(v=4, network="10.0.0.0/29").map(str),
    st.ip_addresses(v=6, network="2001:db8::/125").map(str),
    st.ip_addresses(v=4, network="10.0.0.0/29").map("::ffff:{}".format),
)
VALUES = {
    "String": texts,
    "Numeric": numbers,
    "Date": dates,
    "Bool": st.sampled_from(["true", "false"]),
    "IpAddress": addresses,
}
names = st.sampled_from(sorted(OPERATORS))


def condition(name: str, *values: str) -> Condition:
    return compile_condition(name, KEY, values)


@st.composite
def operations(draw: st.DrawFn) -> tuple[str, list[str], list[str]]:
    """An operator, values of a policy, and values of a request that it can read."""
    name = draw(names)
    values = VALUES[OPERATORS[name].kind.family]
    return (
        name,
        draw(st.lists(values, min_size=1, max_size=3)),
        draw(st.lists(values, min_size=1, max_size=3)),
    )


def test_the_table_has_the_operators_of_ram_and_no_others() -> None:
    assert set(OPERATORS) == {
        *(f"String{test}" for test in ("Equals", "NotEquals", "EqualsIgnoreCase", "NotEqualsIgnoreCase")),
        *("StringLike", "StringNotLike", "Bool", "IpAddress", "NotIpAddress"),
        *(
            f"{family}{test}"
            for family in ("Numeric", "Date")
            for test in (
                *("Equals", "NotEquals", "LessThan", "LessThanEquals"),
                *("GreaterThan", "GreaterThanEquals"),
            )
        ),
    }
    assert {name for name, row in OPERATORS.items() if row.negated} == set(NEGATED)
    assert set(KEYS.values()) <= {row.kind.family for row in OPERATORS.values()}


@given(operations())
def test_an_absent_key_never_matches(operation: tuple[str, list[str], list[str]]) -> None:
    name, wanted, given_values = operation
    asked = condition(name, *wanted)
    assert not asked.holds({})
    assert not asked.holds({KEY: ()})
    assert not asked.holds({KEY.upper(): tuple(given_values)})


@given(operations())
def test_a_negated_operator_is_the_exact_opposite(operation: tuple[str, list[str], list[str]]) -> None:
    name, wanted, given_values = operation
    for negated, plain in NEGATED.items():
        if OPERATORS[negated].kind.family == OPERATORS[name].kind.family:
            context = {KEY: tuple(given_values)}
            assert condition(negated, *wanted).holds(context) is not condition(plain, *wanted).holds(context)


@given(operations())
def test_values_of_a_key_are_alternatives(operation: tuple[str, list[str], list[str]]) -> None:
    name, wanted, given_values = operation
    context = {KEY: given_values[0]}
    each = [condition(name, value).holds(context) for value in wanted]
    assert condition(name, *wanted).holds(context) is (all if OPERATORS[name].negated else any)(each)


@given(operations())
def test_values_of_a_request_are_alternatives(operation: tuple[str, list[str], list[str]]) -> None:
    name, wanted, given_values = operation
    asked = condition(name, *wanted)
    each = [asked.holds({KEY: value}) for value in given_values]
    assert asked.holds({KEY: tuple(given_values)}) is (all if OPERATORS[name].negated else any)(each)


@given(operations())
def test_a_value_equals_itself_however_it_is_written(operation: tuple[str, list[str], list[str]]) -> None:
    name, wanted, _ = operation
    if name.endswith(("NotEquals", "NotEqualsIgnoreCase")):
        assert not condition(name, *wanted).holds({KEY: wanted[0]})
    elif name.endswith(("Equals", "EqualsIgnoreCase", "Like", "Bool")) and not OPERATORS[name].negated:
        assert condition(name, *wanted).holds({KEY: wanted[0]})


@given(st.sampled_from(sorted(OPPOSITE)), st.data())
def test_what_is_less_is_not_at_least(name: str, data: st.DataObject) -> None:
    values = VALUES[OPERATORS[name].kind.family]
    wanted, value = data.draw(values), data.draw(values)
    context = {KEY: value}
    assert condition(name, wanted).holds(context) is not condition(OPPOSITE[name], wanted).holds(context)


@given(
    names,
    st.sampled_from(["", "\0", "x" * 100_000, "\ud800", "\u0661", "1_0", " 1", "2026-07-01", "10.0.0.0/8"]),
)
def test_a_value_that_cannot_be_read_fits_nothing(name: str, value: str) -> None:
    wanted = {
        "String": "a",
        "Numeric": "1",
        "Date": "2026-07-01T00:00:00Z",
        "Bool": "true",
        "IpAddress": "0.0.0.0/0",
    }
    row = OPERATORS[name]
    assert condition(name, wanted[row.kind.family]).holds({KEY: value}) is row.negated


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("NumericEquals", bad)
            for bad in ("", "a", "1,5", "0x1", "1_000", "Infinity", "NaN", "1e1000", " 1")
        ),
        *(("NumericEquals", bad) for bad in ("9" * 41, "\u0661", "1.", ".5", "--1", "1\n")),
        *(("DateLessThan", bad) for bad in ("", "2026", "2026-07-01", "2026-07-01T12:00Z", "1782864000")),
        *(("DateLessThan", bad) for bad in ("2026-07-01T12:00:00", "2026-07-01 12:00:00Z")),
        *(("DateLessThan", bad) for bad in ("2026-02-30T12:00:00Z", "2026-07-01T24:00:00Z")),
        *(("DateLessThan", bad) for bad in ("2026-07-01T12:00:60Z", "2026-07-01T12:00:00+25:00")),
        *(("DateLessThan", bad) for bad in ("0000-01-01T00:00:00Z", "2026-07-01T12:00:00Z\n")),
        *(("Bool", bad) for bad in ("", "True", "TRUE", "1", "yes", "true ")),
        *(("IpAddress", bad) for bad in ("", "*", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1/8")),
        *(("IpAddress", bad) for bad in ("10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/255.0.0.0")),
        *(("IpAddress", bad) for bad in ("::1/127", "2001:db8::/129", "fe80::1%eth0", "10.0.0.1:80", "::g")),
    ],
)
def test_a_value_of_a_policy_must_be_what_its_operator_compares(name: str, value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whoever asks knows what the value is for, and says it
        condition(name, value)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_time_and_its_text_are_the_same_second(time: int) -> None:
    assert parse_instant(iso_8601(time)) == time // 1000 * 1000


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.001Z", 1),
        ("1969-12-31T23:59:59.9Z", -100),
        ("1970-01-01T08:00:00+08:00", 0),
        ("2012-11-11T23:59:59Z", 1_352_678_399_000),
        ("0001-01-01T00:00:00+14:00", -62_135_647_200_000),
        ("9999-12-31T23:59:59-14:00", 253_402_351_199_000),
    ],
)
def test_a_date_is_a_time_in_milliseconds(text: str, time: int) -> None:
    assert parse_instant(text) == time


def reference(pattern: str, text: str, *, question_mark: bool) -> bool:
    expression = "".join(
        ".*" if char == "*" else "." if char == "?" and question_mark else re.escape(char) for char in pattern
    )
    return re.fullmatch(expression, text, re.DOTALL) is not None


@settings(max_examples=rounds(500))
@given(
    st.lists(st.text(alphabet="ab*?", max_size=7), max_size=4),
    st.text(alphabet="ab*?\n", max_size=9),
    st.booleans(),
)
def test_wildcards_match_what_the_reference_matches(
    patterns: list[str],
    text: str,
    question_mark: bool,  # noqa: FBT001 - drawn
) -> None:
    expected = any(reference(pattern, text, question_mark=question_mark) for pattern in patterns)
    assert Globs(tuple(patterns), question_mark=question_mark).matches(text) is expected


@given(st.lists(st.text(max_size=5), max_size=3), st.text(max_size=8))
def test_wildcards_match_what_the_reference_matches_in_any_alphabet(patterns: list[str], text: str) -> None:
    expected = any(reference(pattern, text, question_mark=True) for pattern in patterns)
    assert Globs(tuple(patterns), question_mark=True).matches(text) is expected


@given(st.lists(st.text(alphabet="ab?", max_size=3), min_size=1, max_size=4), st.data())
def test_a_text_made_from_a_pattern_is_matched_by_it(parts: list[str], data: st.DataObject) -> None:
    text = "".join(
        data.draw(st.text(max_size=2)) + part.replace("?", data.draw(st.characters())) for part in parts
    )
    assert Globs((f"*{'*'.join(parts)}",), question_mark=True).matches(text)


@pytest.mark.parametrize(
    "pattern", ["*a" * 2_000 + "b", "*" + "a" * 3_000 + "?b", "?*" * 2_000 + "b", "*" * 6_000]
)
def test_no_pattern_takes_longer_than_its_text_deserves(pattern: str) -> None:
    # A matcher that tries again would not be done this year.
    assert Globs((pattern,), question_mark=True).matches("a" * 20_000) is (pattern == "*" * 6_000)


def test_compiled_conditions_are_values() -> None:
    assert condition("StringLike", "a*?") == condition("StringLike", "a*?")
    assert condition("StringLike", "a*?") != condition("StringLike", "a*")
    assert hash(condition("StringLike", "a*?")) == hash(condition("StringLike", "a*?"))
    assert Globs(("?",)) != Globs(("?",), question_mark=True)
    assert Globs(()) != ()
    assert repr(Globs(("a*",))) == "Globs(('a*',), question_mark=False)"
