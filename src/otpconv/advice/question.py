"""The question about a country, from the parameters of a URL. Pure."""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from otpconv.advice.dividing import Limits
from otpconv.decimals import parse_decimal
from otpconv.errors import InvalidRequest
from otpconv.storage.contract import DAY_MS

#: Providers that one question may confirm.
MAX_CONFIRMED = 50
#: The largest value of each limit, and what it means; the least is 0.
LIMITS: Final = {
    "floor": (0.5, "The least weight of a route"),
    "holdout": (0.5, "The part that is divided evenly"),
    "gain": (1.0, "The most that a route gains over its current share"),
    "tolerance": (0.5, "Rates so close are equally good, and the price decides"),
}
_PARAMETERS = ("country", "seed", "confirmed", *LIMITS)
#: The largest seed.
MAX_SEED: Final = 10**18 - 1


class Question(Struct, frozen=True):
    """What to advise about.

    Attributes:
        country: ISO 3166 alpha-2; empty: messages whose country is unknown.
        seed: of the draws; the same seed and counts give the same advice, within an hour.
        limits: how careful to be.
    """

    country: str
    seed: int
    limits: Limits


def parse_question(parameters: Iterable[tuple[str, str]], now: int) -> Question:
    """Parse the parameters of a URL. Without a seed, it is the number of the day (UTC) since 1970.

    Args:
        parameters: names and values; `confirmed` may be repeated.
        now: the time now, ms.

    Raises:
        InvalidRequest: a parameter is unknown, repeated, missing or malformed.
    """
    given: dict[str, str] = {}
    confirmed: set[str] = set()
    for name, value in parameters:
        if name not in _PARAMETERS:
            raise InvalidRequest(f"Unknown parameter {name[:40]!r}. Use {', '.join(_PARAMETERS)}.")
        if name == "confirmed":
            confirmed.add(value)
        elif name in given:
            raise InvalidRequest(f"{name} is given twice. Give it once.")
        else:
            given[name] = value
    if len(confirmed) > MAX_CONFIRMED:
        raise InvalidRequest(f"Too many confirmed providers: use at most {MAX_CONFIRMED}.")
    country = given.get("country")
    if country is None:
        raise InvalidRequest("country is missing. Add it, e.g. country=DE.")
    if not re.fullmatch(r"(?:[A-Za-z]{2})?", country):
        raise InvalidRequest(f"Invalid country {country[:40]!r}. Use two letters, e.g. DE.")
    limits = {name: _share(name, given[name]) for name in LIMITS if name in given}
    seed = given.get("seed", str(now // DAY_MS))
    if not re.fullmatch(f"[0-9]{{1,{len(str(MAX_SEED))}}}", seed):
        raise InvalidRequest(f"Invalid seed {seed[:40]!r}. Use a whole number.")
    return Question(country.upper(), int(seed), Limits(confirmed=frozenset(confirmed), **limits))


def _share(name: str, text: str) -> float:
    most, _ = LIMITS[name]
    share = parse_decimal(text, 0, most)
    if share is None:
        raise InvalidRequest(f"Invalid {name} {text[:40]!r}. Use a share from 0 to {most}, e.g. 0.05.")
    return share
