"""What number plans say of a number range. Pure."""

from functools import lru_cache

import phonenumbers
from phonenumbers import carrier

#: Results of `carrier_of` that are kept; each takes 20 µs to find again.
_KEPT = 32_768
#: A country code has at most so many digits.
_CODE_DIGITS = 3
#: The shortest prefix that is judged: digits of E.164, and digits after the calling code. E.g. +1201 is an
#: area, +4915 a kind of numbers; anything shorter would be half a country.
_LEAST_DIGITS, _LEAST_AFTER_CODE = 4, 2


def calling_code(number_range: str) -> str:
    """Return the country calling code of a prefix of E.164, without the plus; empty if there is none."""
    digits = number_range[1:]
    codes = (digits[:end] for end in range(1, _CODE_DIGITS + 1))
    return next((code for code in codes if _exists(code)), "")


def is_too_short(number_range: str) -> bool:
    """Return whether a prefix of E.164 is about as large as a country, so that nobody should block it."""
    code = calling_code(number_range)
    return len(number_range) - 1 < max(_LEAST_DIGITS, len(code) + _LEAST_AFTER_CODE) or not code


@lru_cache(maxsize=_KEPT)
def carrier_of(number_range: str) -> str:
    """Return the English name of the network that owns a range; empty if unknown.

    Args:
        number_range: E.164 without the last four digits.
    """
    code = calling_code(number_range)
    national = number_range[1 + len(code) :]
    if not code or not national:
        return ""
    number = phonenumbers.PhoneNumber(country_code=int(code), national_number=int(f"{national}0000"))
    return carrier.name_for_valid_number(number, "en")


def _exists(code: str) -> bool:
    return code.isdecimal() and int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE
