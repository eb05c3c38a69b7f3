"""Texts of others on a terminal: a name must not move the cursor, set a link, or turn the line around."""

import re
import unicodedata

import msgspec

#: Controls (C0, DEL, C1), line separators, lone surrogates, and invisible or direction-changing characters.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NOT_ASCII_TEXT = re.compile(r"[^ -~\n]")


def visible(text: str) -> str:
    r"""Return a text in which every character that is not shown is written as Python would, e.g. `\x1b`.

    Line feeds stay: for a text that must be one line use `one_line`.
    """
    return _NOT_ASCII_TEXT.sub(_shown, text)


def one_line(text: str) -> str:
    """Return a text as `visible` does, its line feeds escaped too."""
    return visible(text).replace("\n", "\\n")


def as_json(value: object) -> str:
    """Return a value as JSON on one line; what a terminal would not show is escaped, as JSON can."""
    return _NOT_ASCII_TEXT.sub(_json_escaped, msgspec.json.encode(value).decode())


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")


def _json_escaped(found: re.Match[str]) -> str:
    character = found[0]
    if unicodedata.category(character) not in _HIDDEN:
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))
