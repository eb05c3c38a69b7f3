"""The names of countries are those of CLDR."""

import pytest
from babel import Locale

from otpconv.web.pages.countries import NAMES, country_name


def test_every_name_is_cldrs() -> None:
    names = Locale("en").territories
    assert len(NAMES) > 240
    assert {code: name for code, name in NAMES.items() if not names[code].startswith(name)} == {}


@pytest.mark.parametrize(
    ("code", "name"), [("ID", "Indonesia"), ("HK", "Hong Kong"), ("", ""), ("(other)", "")]
)
def test_a_code_has_a_name_or_none(code: str, name: str) -> None:
    assert country_name(code) == name
