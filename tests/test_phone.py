from functools import cache
from itertools import product

import phonenumbers
import pytest
from hypothesis import given, settings, strategies as st
from phonenumbers import carrier

from campaigns import rounds
from otpconv.errors import InvalidNumber, Misconfigured
from otpconv.phone import NumberHash, Phone, parse, region_of

TYPES = range(11)


def examples() -> list[phonenumbers.PhoneNumber]:
    of_regions = [
        phonenumbers.example_number_for_type(region, kind)
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for kind in TYPES
    ]
    of_no_country = [
        phonenumbers.example_number_for_non_geo_entity(code)
        for code in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS)
    ]
    return [number for number in of_regions + of_no_country if number is not None]


def by_the_library(text: str) -> Phone | None:
    """The result of phonenumbers itself; None if the number is impossible."""
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    region = phonenumbers.region_code_for_number(number)
    if region is None:
        region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    return Phone(
        e164, "" if region == "001" else region, carrier.name_for_valid_number(number, "en"), e164[:-4]
    )


def by_us(text: str) -> Phone | None:
    try:
        return parse(text)
    except InvalidNumber:
        return None


def test_a_german_mobile_number_gives_country_carrier_and_range() -> None:
    assert parse("+4915112345678") == Phone("+4915112345678", "DE", "T-Mobile", "+491511234")


def test_the_examples_of_all_regions_read_as_phonenumbers_reads_them() -> None:
    numbers = examples()
    assert len(numbers) > 1000
    for number in numbers:
        text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        assert by_us(text) == by_the_library(text), text


def test_the_mobile_examples_of_all_regions_are_accepted_with_the_carrier_phonenumbers_names() -> None:
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if number is not None:
            phone = parse(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
            assert phone.carrier == carrier.name_for_number(number, "en")


@settings(max_examples=rounds(500), deadline=None)
@given(
    code=st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    national=st.text("0123456789", max_size=16),
)
def test_any_digits_after_any_calling_code_read_as_phonenumbers_reads_them(code: int, national: str) -> None:
    text = f"+{code}{national}"
    expected = by_the_library(text)
    if code in {52, 225, 229} and expected is None:
        return  # maybe an old form, which the library does not read
    assert by_us(text) == expected


@pytest.mark.parametrize("prefix", ["0", "1", "8", "00", "01", "044", "15", "9"])
def test_a_national_prefix_after_the_calling_code_is_dropped_as_phonenumbers_drops_it(prefix: str) -> None:
    for number in examples():
        if (number.country_code, prefix) == (52, "1"):
            continue  # an old form that we read and the library does not
        text = f"+{number.country_code}{prefix}{phonenumbers.national_significant_number(number)}"
        assert by_us(text) == by_the_library(text), text


@pytest.mark.parametrize(
    "text",
    [
        "4915112345678",
        "004915112345678",
        "+49 151 12345678",
        "+49-151-1234-5678",
        "+49.151.12345678",
        "(+49) 151 12345678",
        "+49 (0)151 12345678",
        " 49 151 12345678 ",
    ],
)
def test_the_ways_people_write_a_number_give_the_same_number(text: str) -> None:
    assert parse(text).e164 == "+4915112345678"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("015112345678", "no country calling code"),
        ("+015112345678", "no country calling code"),
        ("+", "something other than digits"),
        ("++4915112345678", "something other than digits"),
        ("49+15112345678", "something other than digits"),
        ("+49151CALLME", "something other than digits"),
        ("+4915112345678;ext=5", "something other than digits"),
        ("mailto:+4915112345678", "something other than digits"),
        ("+49151\n12345678", "something other than digits"),
        ("+2101234567", "existing country calling code"),
        ("+49", "too short or too long"),
        ("+491", "too short or too long"),
        ("+1415555267", "too short or too long"),
        ("+141555526711", "too short or too long"),
        ("+49151123456781234567", "too short or too long"),
        ("+49" + " " * 40 + "15112345678", "longer than 40 characters"),
    ],
)
def test_what_is_no_number_is_refused_with_what_is_wrong_and_without_repeating_it(
    text: str, wrong: str
) -> None:
    with pytest.raises(InvalidNumber) as refusal:
        parse(text)
    said = refusal.value.text
    assert wrong in said
    assert "+4915112345678" in said
    assert "\n" not in said
    assert refusal.value.__cause__ is None
    digits = "".join(character for character in text if character.isdigit())
    if len(digits) > 4 and digits not in "4915112345678":
        assert digits not in said


def test_a_number_of_a_range_that_the_metadata_does_not_know_is_accepted() -> None:
    assert not phonenumbers.is_valid_number(phonenumbers.parse("+12001234567"))
    assert parse("+12001234567").country == "US"


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("+14155552671", "US"),
        ("+16132345678", "CA"),
        ("+12423591234", "BS"),
        ("+447400123456", "GB"),
        ("+447797712345", "JE"),
        ("+77710009998", "KZ"),
        ("+79123456789", "RU"),
        ("+390612345678", "IT"),
        ("+80012345678", ""),
        ("+870773111632", ""),
    ],
)
def test_the_country_is_told_apart_within_a_shared_calling_code(text: str, country: str) -> None:
    assert parse(text).country == country


def test_the_zero_that_belongs_to_an_italian_number_stays() -> None:
    assert parse("+390612345678").e164 == "+390612345678"


def test_the_same_number_hashes_alike_within_an_account_and_not_across_accounts_or_keys() -> None:
    key, other = b"k" * 32, b"o" * 32
    hashed = NumberHash(key)(1, "+4915112345678")
    assert len(bytes.fromhex(hashed)) == 16
    assert NumberHash(key)(1, "+4915112345678") == hashed
    assert NumberHash(key)(2, "+4915112345678") != hashed
    assert NumberHash(key)(1, "+4915112345679") != hashed
    assert NumberHash(other)(1, "+4915112345678") != hashed


def test_one_hash_does_not_change_the_next() -> None:
    number_hash = NumberHash(b"k" * 32)
    first = number_hash(1, "+4915112345678")
    number_hash(1, "+14155552671")
    assert number_hash(1, "+4915112345678") == first


def test_the_hash_of_a_number_never_changes_between_releases() -> None:
    assert NumberHash(bytes(range(32)))(1, "+4915112345678") == "431dc7713cd7fa19f59443521e35203a"


@pytest.mark.parametrize("key", [b"", b"short", b"x" * 65])
def test_a_hash_without_a_proper_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        NumberHash(key)


@cache
def e164_numbers() -> list[str]:
    """The valid examples; not a constant, since it takes 0.7 s of CPU, and every worker imports this file."""
    return [
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        for number in examples()
        if phonenumbers.is_valid_number(number)
    ]


any_e164_number = st.deferred(lambda: st.sampled_from(e164_numbers()))
MOBILE_OR_FIXED = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
#: What other software puts before, between and after the digits of a number.
INVISIBLE = "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
ISOLATES = "\u2060\u2066\u2067\u2068\u2069\ufeff"
SPACES = " \u00a0\u1680\u2002\u2003\u2007\u2009\u200a\u202f\u205f\u3000"
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
WRAPPED = [
    "{}",
    "'{}",
    "\u2019{}",
    '="{}"',
    '"{}"',
    "={}",
    "tel:{}",
    "TEL:{}",
    "sms:{}",
    "whatsapp:{}",
    "\t{}\r\n",
]
SCRIPTS = ["0", "\u0660", "\u06f0", "\u0966", "\u09e6", "\uff10", "\U0001d7ce"]


@settings(max_examples=rounds(500), deadline=None)
@given(
    e164=any_e164_number,
    wrapped=st.sampled_from(WRAPPED),
    zero=st.sampled_from(SCRIPTS),
    sign=st.sampled_from(["+", "\uff0b", "00"]),
    added=st.lists(st.sampled_from(INVISIBLE + ISOLATES + SPACES + DASHES), max_size=8),
    data=st.data(),
)
def test_what_other_software_adds_to_a_number_does_not_change_it(  # noqa: PLR0917 - strategies
    e164: str, wrapped: str, zero: str, sign: str, added: list[str], data: st.DataObject
) -> None:
    characters = [chr(ord(zero) + int(digit)) for digit in e164[1:]]
    for character in added:
        characters.insert(data.draw(st.integers(1, len(characters))), character)
    assert parse(wrapped.format(sign + "".join(characters))).e164 == parse(e164).e164


def test_every_example_reads_alike_with_a_plus_with_00_and_with_the_country_code_alone() -> None:
    for e164 in e164_numbers():
        assert parse(e164).e164 == e164
        assert parse(f"00{e164[1:]}").e164 == e164
        assert parse(e164[1:]).e164 == e164


def test_a_national_number_is_read_with_its_region_and_an_international_one_all_the_same() -> None:
    for region, kind in product(sorted(phonenumbers.SUPPORTED_REGIONS), MOBILE_OR_FIXED):
        number = phonenumbers.example_number_for_type(region, kind)
        if number is None:
            continue
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
        assert parse(national, region).e164 == e164, (region, national)
        assert parse(e164, "CN").e164 == parse(f"00{e164[1:]}", "US").e164 == e164


@pytest.mark.parametrize(
    ("text", "region", "e164"),
    [
        ("13912345678", "CN", "+8613912345678"),
        ("8613800138000", "CN", "+8613800138000"),
        ("6581234567", "CN", "+6581234567"),
        ("015112345678", "DE", "+4915112345678"),
        ("0151.123.45678", "DE", "+4915112345678"),
        ("06.12.34.56.00", "FR", "+33612345600"),
        ("2015550123", "US", "+12015550123"),
        ("97123456", "BJ", "+2290197123456"),
        ("07123456", "CI", "+2250707123456"),
    ],
)
def test_a_region_says_what_national_numbers_are_and_comes_first(text: str, region: str, e164: str) -> None:
    assert parse(text, region).e164 == e164


@pytest.mark.parametrize("text", ["13912345678", "015112345678", "0612345678", "12001234567", "5551234567"])
def test_without_a_region_no_country_is_guessed(text: str) -> None:
    with pytest.raises(InvalidNumber) as refusal:
        parse(text)
    assert text not in refusal.value.text
    assert "+4915112345678" in refusal.value.text


@settings(max_examples=rounds(500), deadline=None)
@given(text=st.text("0123456789", max_size=16), region=st.sampled_from(["", "CN", "DE", "US", "IT", "AR"]))
def test_digits_without_a_plus_give_a_valid_number_that_ends_in_them_or_none(text: str, region: str) -> None:
    try:
        phone = parse(text, region)
    except InvalidNumber:
        return
    if not text.startswith("00"):
        assert phonenumbers.is_valid_number(phonenumbers.parse(phone.e164))
    assert parse(phone.e164, region) == phone
    if region != "AR" and not text.startswith(("52", "225", "229")):  # 15 and 9 of mobile numbers; old forms
        assert phone.e164.endswith(text.lstrip("0")[-6:])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("+5215512345678", "+525512345678"),
        ("0052 1 55 1234 5678", "+525512345678"),
        ("+22507123456", "+2250707123456"),
        ("+22547123456", "+2250747123456"),
        ("+22505123456", "+2250505123456"),
        ("+22596123456", "+2250596123456"),
        ("+22501123456", "+2250101123456"),
        ("+22573123456", "+2250173123456"),
        ("+22997123456", "+2290197123456"),
        ("22921123456", "+2290121123456"),
    ],
)
def test_an_old_form_is_read_as_the_number_it_became(old: str, new: str) -> None:
    phone = parse(old)
    assert phone.e164 == new
    assert phonenumbers.is_valid_number(phonenumbers.parse(new))
    assert parse(new) == phone


def test_an_old_form_whose_new_form_is_not_certain_is_not_read() -> None:
    for text in ("+22560123456", "+22520312345", "+22569123456"):
        with pytest.raises(InvalidNumber, match="too short or too long"):
            parse(text)


@given(e164=any_e164_number, end=st.sampled_from([".0", ".00", ".", ".5", ".000", ".25"]))
def test_a_decimal_is_not_a_number_and_the_error_says_that_a_spreadsheet_made_it(e164: str, end: str) -> None:
    for text in (e164 + end, e164[1:] + end):
        with pytest.raises(InvalidNumber, match="spreadsheet"):
            parse(text)


@pytest.mark.parametrize("text", ["4.91511E+12", "4,91511E+12", "4.915112345678e12", "5E+12", "+4.9E12"])
def test_scientific_notation_is_refused_with_what_made_it(text: str) -> None:
    with pytest.raises(InvalidNumber, match="scientific notation: a spreadsheet"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("12\u202a", "U+202A LEFT-TO-RIGHT EMBEDDING"),
        ("+49151\u202aCALL", "U+202A LEFT-TO-RIGHT EMBEDDING"),
        ("+4915112\u2028345678", "U+2028 LINE SEPARATOR"),
        ("+4915112\x00345678", "U+0000"),
        ("+4915112\u3164345678", "U+3164 HANGUL FILLER"),
        ("\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
    ],
)
def test_an_error_names_an_invisible_character(text: str, named: str) -> None:
    with pytest.raises(InvalidNumber) as refusal:
        parse(text)
    assert refusal.value.text.count(named) == 1


@given(st.text(max_size=60), st.sampled_from(["", "DE"]))
def test_any_text_is_a_number_or_is_refused_on_one_line(text: str, region: str) -> None:
    said = ""
    try:
        phone = parse(text, region)
    except InvalidNumber as refusal:
        said = refusal.text
    else:
        assert parse(phone.e164) == phone
    digits = "".join(each for each in text if each.isdecimal())
    assert said.isprintable()
    assert len(digits) < 5 or digits in "4915112345678" or digits not in said


def test_a_region_is_two_letters_of_iso_3166() -> None:
    assert [region_of(text) for text in ("cn", " DE ", "")] == ["CN", "DE", ""]
    for text in ("UK", "CHN", "001", "86"):
        with pytest.raises(Misconfigured, match="ISO 3166"):
            region_of(text)


def test_what_is_valid_both_ways_is_the_national_number_of_the_region() -> None:
    both = "15123456789"
    assert parse(both).e164 == "+15123456789"
    assert parse(both, "DE").e164 == "+4915123456789"
