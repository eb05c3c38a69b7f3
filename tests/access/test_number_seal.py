"""Sealed numbers: the same message and number give the same text, which nobody else can read."""

from hypothesis import given, strategies as st

from otpconv.access.number_seal import NumberSeal, is_sealed_number
from otpconv.access.sealing import Sealer
from otpconv.model import is_message_id

SEAL, OTHER = NumberSeal(Sealer(b"a" * 32)), NumberSeal(Sealer(b"b" * 32))
numbers = st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)
messages = st.tuples(st.integers(1, 2**31), st.from_regex(r"[!-~]{1,255}", fullmatch=True))


@given(messages, messages, numbers)
def test_a_number_opens_for_its_message_and_key_alone(
    message: tuple[int, str], another: tuple[int, str], number: str
) -> None:
    sealed = SEAL.seal(*message, number)
    assert sealed == SEAL.seal(*message, number)
    assert SEAL.open(*message, sealed) == number
    assert OTHER.open(*message, sealed) == ""
    if another != message:
        assert SEAL.open(*another, sealed) == ""
        assert SEAL.seal(*another, number) != sealed
    assert number[1:] not in sealed
    assert is_sealed_number(sealed)
    assert is_message_id(sealed)


@given(messages, st.text(max_size=80))
def test_any_other_text_opens_to_nothing(message: tuple[int, str], text: str) -> None:
    assert SEAL.open(*message, f"number:{text}") == ""
    assert SEAL.open(*message, text) == ""
