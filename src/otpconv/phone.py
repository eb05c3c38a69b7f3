"""Telephone numbers: an international number gives its country, carrier and number range.

Numbers are personal data. No text raised here repeats one, so none reaches a log; what is stored of a number
is its range and its `NumberHash`.
"""

import re
from functools import cache, lru_cache
from hashlib import blake2b

import phonenumbers
from msgspec import Struct
from phonenumbers import carrier

from otpconv.errors import InvalidNumber

_EXAMPLE = "write it in international form, as +4915112345678"
_WRONG_LENGTH = f"The number is too short or too long for its country code; {_EXAMPLE}."

#: Longer texts are no numbers; the limit also bounds what the cache of `parse` can hold.
_MAX_CHARS = 40

_SEPARATORS = str.maketrans("", "", " -.()")
_INTERNATIONAL = re.compile(r"(?:\+|00)?([1-9][0-9]+)")
_CALLING_CODES = frozenset(str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE)

_HASH_BYTES = 16

#: What phonenumbers calls the region of numbers that belong to no country.
_NON_GEOGRAPHIC = "001"


class Phone(Struct, frozen=True, gc=False):
    """A telephone number and what the number plans say about it.

    Attributes:
        e164: the number in E.164, as `+4915112345678`.
        country: ISO 3166 alpha-2; empty for a number that belongs to no country, as a satellite telephone.
        carrier: English name of the network the range was given to; empty when not known. The number
            may have been ported to another since.
        number_range: the number without its last four digits, as `+491511234`.
    """

    e164: str
    country: str
    carrier: str
    number_range: str


@lru_cache(maxsize=65_536)
def parse(text: str) -> Phone:
    """Read a number in international form, with `+`, `00` or nothing before the country calling code.

    Spaces, dashes, dots and parentheses may stand in between. Results are cached.

    Raises:
        InvalidNumber: it is not such a number; the text says why and does not repeat the number.
    """
    number = _number(_digits(text))
    # The length decides, not the pattern: number plans open new ranges faster than metadata ships, and a
    # message to a new range was paid for like any other.
    if not phonenumbers.is_possible_number(number):
        raise InvalidNumber(_WRONG_LENGTH)
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Phone(
        e164=e164,
        country=_country(number),
        # By prefix alone, for the same reason; `name_for_number` wants the pattern to be known.
        carrier=carrier.name_for_valid_number(number, "en"),
        number_range=e164[:-4],
    )


class NumberHash:
    """Turns a number into what is stored of it: 32 digits that only the holder of the key can link to it.

    The account is part of it, so equal numbers of two accounts cannot be linked either.
    """

    def __init__(self, key: bytes) -> None:
        if not _HASH_BYTES <= len(key) <= blake2b.MAX_KEY_SIZE:
            raise ValueError("The key of the number hash has 16 to 64 bytes.")
        self._keyed = blake2b(key=key, digest_size=_HASH_BYTES, person=b"otpconv number")

    def __call__(self, account: int, e164: str) -> str:
        """Return the hash of the number `e164` within `account`: 16 bytes, hexadecimal."""
        state = self._keyed.copy()
        state.update(f"{account}:{e164}".encode())
        return state.hexdigest()


def _digits(text: str) -> str:
    if len(text) > _MAX_CHARS:
        raise InvalidNumber(f"The number is longer than {_MAX_CHARS} characters; {_EXAMPLE}.")
    compact = text.translate(_SEPARATORS)
    match = _INTERNATIONAL.fullmatch(compact)
    if match is not None:
        return match[1]
    if not compact:
        raise InvalidNumber(f"The number is empty; {_EXAMPLE}.")
    if compact.isascii() and compact.removeprefix("+").isdigit():
        raise InvalidNumber(f"The number has no country calling code; {_EXAMPLE}.")
    raise InvalidNumber(
        "The number holds something other than digits, spaces, dashes, dots, parentheses and a + in front; "
        f"{_EXAMPLE}."
    )


def _number(digits: str) -> phonenumbers.PhoneNumber:
    # No calling code is the beginning of another one, so the first that fits is the one.
    code = next((digits[:end] for end in (1, 2, 3) if digits[:end] in _CALLING_CODES), None)
    if code is None:
        raise InvalidNumber(f"The number does not begin with an existing country calling code; {_EXAMPLE}.")
    national = digits[len(code) :]
    prefix = _national_prefix(int(code))
    # phonenumbers.parse spends most of its 30 µs on finding a number in any text. What it does for plain
    # digits is only to drop a national prefix; where none can be there, reading them directly is the same.
    if national and (prefix is None or prefix.match(national) is None):
        zeros = min(len(national) - len(national.lstrip("0")), len(national) - 1)
        return phonenumbers.PhoneNumber(
            country_code=int(code),
            national_number=int(national),
            italian_leading_zero=True if zeros else None,
            number_of_leading_zeros=zeros if zeros > 1 else None,
        )
    try:
        return phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        raise InvalidNumber(_WRONG_LENGTH) from None


@cache  # one entry a calling code, some 220
def _national_prefix(code: int) -> re.Pattern[str] | None:
    region = phonenumbers.region_code_for_country_code(code)
    plan = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    if plan is None or not plan.national_prefix_for_parsing:
        return None
    return re.compile(plan.national_prefix_for_parsing)


def _country(number: phonenumbers.PhoneNumber) -> str:
    region = phonenumbers.region_code_for_number(number)
    if region is None:
        region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    return "" if region == _NON_GEOGRAPHIC else region
