"""What the options of an import say: columns, constants, rows and status words."""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from otpconv.cli.importing.columns import COLUMNS, listed
from otpconv.cli.importing.profile import Profile
from otpconv.errors import Misconfigured

_MAP_FORM = "NAME=COLUMN, e.g. requested_at=sent_at"


class Meaning(Struct):
    """What the columns and values of a file mean, as the options and the profile say.

    Attributes:
        renamed: columns of the file, by our field.
        constants: values that replace what the rows say, by our field.
        words: further words for `delivered`, in lower case, and what they mean; None: the row has no
            conversion.
        only: by column, in lower case, the values of which a row has one; other rows are left out.
        contain: by column, what the text of a row contains if it has one; other rows are left out.
        region: the country whose national numbers are read; empty: none.
        profile: the profile that says some of it; empty: none.
        optional: the fields whose columns a file may lack.
    """

    renamed: Mapping[str, str]
    constants: Mapping[str, str]
    words: Mapping[str, bool | None]
    only: Mapping[str, frozenset[str]]
    contain: Mapping[str, re.Pattern[str]] = {}
    region: str = ""
    profile: str = ""
    optional: frozenset[str] = frozenset()


def meaning(
    profile: Profile,
    name: str = "",
    map_: Iterable[str] | None = None,
    set_: Iterable[str] | None = None,
    only: Iterable[str] | None = None,
    true: Iterable[str] | None = None,
    false: Iterable[str] | None = None,
    region: str = "",
) -> Meaning:
    """Return what a file means by a profile; an option replaces what the profile says about the same thing.

    Args:
        profile: the profile; an empty one for none.
        name: its name, for errors.
        map_: as `--map`; the others likewise.
        set_: constants.
        only: conditions.
        true: words for true.
        false: words for false.
        region: the region.

    Raises:
        Misconfigured: an option is malformed.
    """
    known = profile.delivered
    words: dict[str, bool | None] = {word.strip().casefold(): None for word in known.unknown}
    words |= status_words(known.true, known.false)
    words |= status_words(true or (), false or ())
    rows = {
        column: frozenset(value.strip().casefold() for value in values)
        for column, values in profile.rows.only.items()
    }
    mapped = assignments(map_ or (), "--map", _MAP_FORM)
    return Meaning(
        {**profile.columns, **profile.optional, **mapped},
        {**profile.constants, **assignments(set_ or (), "--set", "NAME=VALUE, e.g. provider=acme")},
        words,
        {**rows, **filters(only or ())},
        {column: re.compile(pattern) for column, pattern in profile.rows.contain.items()},
        region or profile.region,
        name,
        frozenset(profile.optional.keys() - mapped.keys()),
    )


def assignments(given: Iterable[str], option: str, example: str) -> dict[str, str]:
    """Return the names and values of a repeatable option NAME=VALUE whose names are our columns.

    Raises:
        Misconfigured: one is malformed, or names no column of ours.
    """
    found = {}
    for text in given:
        name, value = _pair(text, option, example)
        if name not in COLUMNS:
            raise Misconfigured(
                f"{option} {text}: there is no field {name!r}; the fields are {listed(COLUMNS)}"
            )
        found[name] = value
    return found


def filters(given: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return by column the values that `--only COLUMN=VALUE` names, in lower case.

    Raises:
        Misconfigured: one is malformed.
    """
    found: dict[str, frozenset[str]] = {}
    for text in given:
        column, value = _pair(text, "--only", "COLUMN=VALUE, e.g. Direction=outbound-api")
        found[column] = found.get(column, frozenset()) | {value.strip().casefold()}
    return found


def status_words(true: Iterable[str], false: Iterable[str]) -> dict[str, bool]:
    """Return what the words of `--true` and `--false` mean, by the word in lower case.

    Raises:
        Misconfigured: a word is both.
    """
    words = {word.strip().casefold(): True for word in true}
    for word in false:
        if words.setdefault(word.strip().casefold(), False):
            raise Misconfigured(f"--true and --false both name {word!r}: give it to one of them")
    return words


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value:
        raise Misconfigured(f"{option} {text!r} is not of the form {example}")
    return name, value
