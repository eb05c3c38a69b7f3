import phonenumbers
import pytest
from hypothesis import given, settings, strategies as st
from phonenumbers import carrier

from otpconv.errors import InvalidNumber
from otpconv.phone import NumberHash, Phone, parse

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
    """What phonenumbers itself makes of it; None where it is no possible number."""
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


@settings(max_examples=500, deadline=None)
@given(
    code=st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    national=st.text("0123456789", max_size=16),
)
def test_any_digits_after_any_calling_code_read_as_phonenumbers_reads_them(code: int, national: str) -> None:
    text = f"+{code}{national}"
    assert by_us(text) == by_the_library(text)


@pytest.mark.parametrize("prefix", ["0", "1", "8", "00", "01", "044", "15", "9"])
def test_a_national_prefix_after_the_calling_code_is_dropped_as_phonenumbers_drops_it(prefix: str) -> None:
    for number in examples():
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
        ("+49151٣٤٥٦٧٨٩", "something other than digits"),  # noqa: RUF001 - the digits of another script
        ("+4915112345678;ext=5", "something other than digits"),
        ("tel:+4915112345678", "something other than digits"),
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
