"""What the options of an import say: columns, constants, rows and status words."""

from collections.abc import Iterable

from otpconv.cli.importing.columns import COLUMNS, listed
from otpconv.errors import Misconfigured


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
