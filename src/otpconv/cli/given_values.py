"""Settings and secrets that commands read: from options, a file, the standard input, or a terminal."""

import getpass
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from otpconv.errors import Misconfigured

#: Characters of secrets that are read.
_MAX_SECRETS: Final = 65_536


def pairs(lines: list[str], source: str) -> dict[str, str]:
    """Return the NAME=VALUE pairs of some lines.

    Args:
        lines: empty ones are left out.
        source: where they are from, for the error.

    Raises:
        Misconfigured: a line is not a pair; the text never has a value.
    """
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise Misconfigured(f"Invalid line {number} of {source}: write NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


def secrets_of(file: Path | None, asked: Mapping[str, bool]) -> dict[str, str]:
    """Return secrets.

    Args:
        file: has NAME=VALUE lines; `-` is the standard input; None: a person types them, or the standard
            input has them.
        asked: the names of the secrets that are asked for on a terminal, and whether each is optional.

    Raises:
        Misconfigured: the file can't be read, or a line is not a pair.
    """
    if file is not None and str(file) != "-":
        return pairs(_text_of(file).splitlines(), "--secrets")
    if file is not None:
        return pairs(sys.stdin.read(_MAX_SECRETS).splitlines(), "--secrets")
    if not sys.stdin.isatty():
        return pairs(sys.stdin.read(_MAX_SECRETS).splitlines(), "the standard input")
    return {
        name: getpass.getpass(f"{name}{' (optional)' if optional else ''}: ")
        for name, optional in asked.items()
    }


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{file} can't be read: {getattr(error, 'strerror', None) or error}") from None
