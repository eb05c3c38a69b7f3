"""Phone numbers: parse the forms that people and software write, and give E.164, country, carrier and range.

Numbers are personal data. No error text repeats a number, so none reaches a log; only the range of a number
and its `NumberHash` are stored.

A number that begins with `+` or `00` is international, and only its length is checked: number plans open new
ranges faster than metadata is updated, and messages to new ranges are paid for, too.
Without `+`, `00` and region, digits are a number only if the pattern of their country matches:
`8613800138000` is Chinese, but `13912345678`, the national form of another Chinese number, is not read as one
of +1. With a region, a valid national number of that region comes first.

Old forms that people still write are read as their new number. This covers only forms whose length no longer
exists: they could not be read before, so the hashes in existing journals do not change.

- Mexico, 3 August 2019: no `1` after +52 (IFT, national numbering plan; libphonenumber's migrator recipes).
- Côte d'Ivoire, 31 January 2021: 8 to 10 digits, by the mobile operator of the old prefix: 01 Moov, 05 MTN,
  07 Orange (ARTCI; the prefixes are from libphonenumber's carrier/en/225.txt of that time). Prefixes of
  closed operators, and fixed lines, are not mapped: their new prefix is not certain.
- Benin, 30 November 2024: 01 before all 8-digit numbers (ARCEP Bénin).
"""

import re
import unicodedata
from functools import cache, lru_cache
from hashlib import blake2b

import phonenumbers
from msgspec import Struct
from phonenumbers import carrier

from otpconv.errors import InvalidNumber, Misconfigured

_EXAMPLE = "write it in international form, e.g. +4915112345678"
_WRONG_LENGTH = f"The number is too short or too long for its country code; {_EXAMPLE}."
_SPREADSHEET = "Format the column as text and export it again"

#: Longer texts are not numbers; the limit also bounds the cache of `parse`.
_MAX_CHARS = 40
_SEPARATORS = str.maketrans("", "", " -()")
_DIGITS = re.compile(r"(\+|00(?=[1-9]))?([0-9]+)")
_DOTTED = re.compile(r"\+?[0-9]+(?:\.[0-9]+)+")
#: One dot, then at most two digits or only zeros; a last group of one digit, or of zeros not among pairs.
_DECIMAL = re.compile(r"\+?[0-9]*\.(?:[0-9]{0,2}|0+)|.*\.[0-9]?|.*(?<!\.[0-9]{2})\.0+")
_SCIENTIFIC = re.compile(r"\+?[0-9]+(?:[.,][0-9]*)?[eE]\+?[0-9]+")
#: Additions of other software around a number: `'`, `="…"` and the scheme of a URI.
_ADDED = re.compile(
    r"""[='"`‘’“”\s]*(?:(?:tel|sms|whatsapp):)?(.*?)['"`‘’“”\s]*""",  # noqa: RUF001 - typographic quotes
    re.IGNORECASE | re.DOTALL,
)
_FULL_WIDTH = range(0xFF01, 0xFF5F)
#: Invisible, although Unicode calls them letters, symbols or marks; variation selectors are among the marks.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
_NAMED_AT_MOST = 3

_CALLING_CODES = frozenset(str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
#: By calling code: old forms of the rest of the number, and the new form of each.
_OLD_FORMS = {
    "52": [(re.compile(r"1([2-9][0-9]{9})"), r"\1")],
    "225": [
        (re.compile(r"((?:0[1-3]|[457][0-3])[0-9]{6})"), r"01\1"),
        (re.compile(r"([04-9][4-6][0-9]{6})"), r"05\1"),
        (re.compile(r"((?:[04578][7-9]|[69][78])[0-9]{6})"), r"07\1"),
    ],
    "229": [(re.compile(r"([2-9][0-9]{7})"), r"01\1")],
}
_OLD_AT_HOME = frozenset({225, 229})  # their old forms were dialled within the country, too

_HASH_BYTES = 16
#: The region that phonenumbers gives to numbers without a country.
_NON_GEOGRAPHIC = "001"


class Phone(Struct, frozen=True, gc=False):
    """A phone number with the facts that number plans give.

    Attributes:
        e164: the number in E.164, e.g. `+4915112345678`.
        country: ISO 3166 alpha-2; empty for a number without a country, e.g. of a satellite phone.
        carrier: English name of the network that owns the range; empty if unknown. The number
            may have been ported to another network since.
        number_range: the number without its last four digits, e.g. `+491511234`.
    """

    e164: str
    country: str
    carrier: str
    number_range: str


@lru_cache(maxsize=65_536)
def parse(text: str, region: str = "") -> Phone:
    """Parse a number as people and software write it. Results are cached.

    Spaces, dashes and parentheses may stand between digits, and dots between groups of digits. Invisible
    characters, quotes, `=`, and `tel:`, `sms:` or `whatsapp:` in front are removed; any digits are accepted.

    Args:
        text: the number: with `+` or `00` and its country calling code, with the code alone, or with neither.
        region: country whose national numbers are read, ISO 3166 in upper case; empty reads no national
            numbers. A text that is valid both as a national and as an international number is national.

    Raises:
        InvalidNumber: the text is not a phone number. The error gives the reason, names invisible characters,
            and does not repeat the number.
    """
    try:
        number = _read(text, region)
    except InvalidNumber as error:
        hidden = ", ".join(name for name in _invisible(text) if name not in error.text)
        also = f" It contains invisible characters: {hidden}." if hidden else ""
        raise InvalidNumber(f"{error.text}{also}") from None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Phone(
        e164=e164,
        country=_country(number),
        # By prefix alone, so that new ranges have a carrier; `name_for_number` requires a known pattern.
        carrier=carrier.name_for_valid_number(number, "en"),
        number_range=e164[:-4],
    )


def region_of(text: str) -> str:
    """Return a region in the form that `parse` takes; an empty text means none.

    Raises:
        Misconfigured: the region does not exist.
    """
    region = text.strip().upper()
    if region not in {"", *phonenumbers.SUPPORTED_REGIONS}:
        raise Misconfigured(f"{text!r} is not a region: use two letters of ISO 3166, e.g. CN, DE, GB or US")
    return region


class NumberHash:
    """Hashes a number for storage: 32 digits that only the holder of the key can link to the number.

    The account is part of the hash, so equal numbers of two accounts can't be linked either.
    """

    def __init__(self, key: bytes) -> None:
        if not _HASH_BYTES <= len(key) <= blake2b.MAX_KEY_SIZE:
            raise ValueError(f"The key of the number hash has {len(key)} bytes. Use a key of 16 to 64 bytes.")
        self._keyed = blake2b(key=key, digest_size=_HASH_BYTES, person=b"otpconv number")

    def __call__(self, account: int, e164: str) -> str:
        """Return the hash of the number `e164` within `account`: 16 bytes, hexadecimal."""
        state = self._keyed.copy()
        state.update(f"{account}:{e164}".encode())
        return state.hexdigest()


def _read(text: str, region: str) -> phonenumbers.PhoneNumber:
    if len(text) > _MAX_CHARS:
        raise InvalidNumber(f"The number is longer than {_MAX_CHARS} characters; {_EXAMPLE}.")
    match = _DIGITS.fullmatch(text.translate(_SEPARATORS)) or _DIGITS.fullmatch(_cleaned(text))
    if match is None:
        raise InvalidNumber(_wrong_characters(_cleaned(text)))
    international, digits = match.groups()
    if international is None:
        return _without_plus(digits, region)
    number = _number(digits)
    if not phonenumbers.is_possible_number(number):
        raise InvalidNumber(_WRONG_LENGTH)
    return number


def _cleaned(text: str) -> str:
    """Return a number without additions of other software and without separators.

    Raises:
        InvalidNumber: it is empty, or a spreadsheet damaged it.
    """
    match = _ADDED.fullmatch("".join(map(_plain, text)))
    compact = match[1].translate(_SEPARATORS) if match else text
    if not compact:
        raise InvalidNumber(f"The number is empty; {_EXAMPLE}.")
    if _SCIENTIFIC.fullmatch(compact):
        raise InvalidNumber(
            f"The number is in scientific notation: a spreadsheet damaged it. {_SPREADSHEET}."
        )
    if "." in compact and _DECIMAL.fullmatch(compact):
        raise InvalidNumber(f"The number is a decimal: a spreadsheet damaged it. {_SPREADSHEET}.")
    return compact.replace(".", "") if _DOTTED.fullmatch(compact) else compact


@lru_cache(maxsize=1024)
def _plain(character: str) -> str:
    """Return the character that another one stands for in a number; empty if it is to be dropped."""
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    if category == "Zs":
        return " "
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    if ord(character) in _FULL_WIDTH:
        return chr(ord(character) - _FULL_WIDTH.start + ord("!"))
    return "+" if character == "\N{SMALL PLUS SIGN}" else character


def _wrong_characters(compact: str) -> str:
    rest = compact.removeprefix("+")
    wrong = next((char for char in rest if char not in "0123456789."), "." if "." in rest else "+")
    return (
        "The number contains something other than digits, spaces, dashes, dots, parentheses and a leading +: "
        f"{_name(wrong)}; {_EXAMPLE}."
    )


def _invisible(text: str) -> list[str]:
    """Return the names of the first few invisible characters in a text."""
    names = dict.fromkeys(
        _name(char)
        for char in text[:_MAX_CHARS]
        if char != " "
        and (
            unicodedata.category(char) in _INVISIBLE_CATEGORIES
            or char in _INVISIBLE
            or "VARIATION SELECTOR" in unicodedata.name(char, "")
        )
    )
    return list(names)[:_NAMED_AT_MOST]


def _name(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()


def _without_plus(digits: str, region: str) -> phonenumbers.PhoneNumber:
    national = _national(digits, region) if region else None
    if national is not None:
        return national
    if digits.startswith("0"):
        raise InvalidNumber(f"The number has no country calling code; {_EXAMPLE}.")
    number = _number(digits)
    if not phonenumbers.is_valid_number(number):
        raise InvalidNumber(
            "The number has no + and is not valid as an international number"
            f"{f' or as a national number of {region}' if region else ''}; {_EXAMPLE}."
        )
    return number


def _national(digits: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return None
    if number.country_code in _OLD_AT_HOME:
        number = _number(f"{number.country_code}{phonenumbers.national_significant_number(number)}")
    return number if phonenumbers.is_valid_number(number) else None


def _number(digits: str) -> phonenumbers.PhoneNumber:
    if digits.startswith("0"):
        raise InvalidNumber(f"The number has no country calling code; {_EXAMPLE}.")
    # No calling code is a prefix of another one, so the first match is the right one.
    code = next((digits[:end] for end in (1, 2, 3) if digits[:end] in _CALLING_CODES), None)
    if code is None:
        raise InvalidNumber(f"The number does not begin with an existing country calling code; {_EXAMPLE}.")
    national = digits[len(code) :]
    for old, new in _OLD_FORMS.get(code, ()):
        if match := old.fullmatch(national):
            national = match.expand(new)
            break
    prefix = _national_prefix(int(code))
    # phonenumbers.parse spends most of its 30 µs on finding a number in any text. For plain digits it only
    # drops a national prefix; if there can't be one, reading the digits directly gives the same result.
    if national and (prefix is None or prefix.match(national) is None):
        zeros = min(len(national) - len(national.lstrip("0")), len(national) - 1)
        return phonenumbers.PhoneNumber(
            country_code=int(code),
            national_number=int(national),
            italian_leading_zero=True if zeros else None,
            number_of_leading_zeros=zeros if zeros > 1 else None,
        )
    try:
        return phonenumbers.parse(f"+{code}{national}")
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
