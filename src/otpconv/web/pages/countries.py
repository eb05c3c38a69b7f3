"""English names of countries, from Unicode's CLDR, by ISO 3166 alpha-2 code."""

from importlib.resources import files
from typing import Final

import msgspec

NAMES: Final[dict[str, str]] = msgspec.json.decode(
    files("otpconv.web.pages").joinpath("countries.json").read_bytes(), type=dict[str, str]
)


def country_name(code: str) -> str:
    """Return the name of a country; empty for a code that is not one."""
    return NAMES.get(code, "")
