"""What a misspelled name was probably meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches

#: How alike two names must be, from 0 to 1: one letter more, less, swapped or wrong in four is found.
_ALIKE = 0.75


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like another one, case aside; empty if none is.

    Args:
        name: as it was written.
        known: the names that exist.
    """
    by_lower = {each.lower(): each for each in known}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=_ALIKE)
    return by_lower[found[0]] if found else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean NAME?` for the nearest known name; empty if none is near."""
    found = nearest(name, known)
    return f"; did you mean {found}?" if found else ""
