"""Profiles: what the columns and rows of a vendor's file mean, as small TOML files."""

import re
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from otpconv.cli.importing.columns import COLUMNS, listed
from otpconv.errors import Misconfigured

#: The largest profile that is read, bytes; ours have about 1 kB.
_MAX_BYTES = 64 * 1024
#: The longest pattern in a profile, characters.
_MAX_PATTERN = 1_000
_SUFFIX = ".toml"
_OURS = files("otpconv.cli.importing") / "profiles"

_Word = Annotated[str, Meta(min_length=1)]


class StatusWords(Struct, frozen=True, forbid_unknown_fields=True):
    """What the words in the column `delivered` mean.

    Attributes:
        true: the user confirmed the code.
        false: the user did not.
        unknown: neither; such a row is a message without a conversion.
    """

    true: tuple[_Word, ...] = ()
    false: tuple[_Word, ...] = ()
    unknown: tuple[_Word, ...] = ()


class Rows(Struct, frozen=True, forbid_unknown_fields=True):
    """Which rows are OTP messages that were sent; a row has to meet all conditions.

    Attributes:
        only: by column, the values of which a row has one.
        contain: by column, a regular expression that its text contains. A row without a text meets it, since
            vendors can leave out the texts of messages.
    """

    only: dict[str, tuple[_Word, ...]] = {}
    contain: dict[str, str] = {}


class Profile(Struct, frozen=True, forbid_unknown_fields=True):
    """How a file is read where the options of the command do not say it.

    Attributes:
        title: what kind of file it is, and how to get it.
        columns: columns of the file, by our field.
        optional: columns that a file may lack, by our field.
        constants: values of all rows, by our field.
        rows: which rows are imported.
        delivered: the words in the column `delivered`.
        tz: the time zone of times without an offset.
        time_format: how times are written, as for `strptime`.
        encoding: the encoding of a file that is not UTF-8.
        region: the country of national numbers.
    """

    title: str
    columns: dict[str, _Word] = {}
    optional: dict[str, _Word] = {}
    constants: dict[str, _Word] = {}
    rows: Rows = Rows()
    delivered: StatusWords = StatusWords()
    tz: str | None = None
    time_format: str | None = None
    encoding: str | None = None
    region: str = ""


def load(name: str) -> Profile:
    """Return one of our profiles by its name, or another one by the path of its file.

    Raises:
        Misconfigured: there is no such profile, or it is malformed.
    """
    if not name.endswith(_SUFFIX):
        if name not in names():
            raise Misconfigured(
                f"--from {name}: there is no such profile; use one of {', '.join(names())}, or the path of a"
                f" profile of your own, which ends with {_SUFFIX}"
            )
        path: Path | Traversable = _OURS / f"{name}{_SUFFIX}"
    else:
        path = Path(name)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise Misconfigured(
            f"--from {name} can't be read ({error.strerror}): check the path and its permissions"
        ) from None
    if len(data) > _MAX_BYTES:
        raise Misconfigured(f"--from {name} has more than {_MAX_BYTES:,} bytes, so it is not a profile")
    return _read(data, name)


def names() -> list[str]:
    """Return the names of our profiles, sorted."""
    return sorted(file.name.removesuffix(_SUFFIX) for file in _OURS.iterdir() if file.name.endswith(_SUFFIX))


def _read(data: bytes, name: str) -> Profile:
    try:
        profile = msgspec.convert(tomllib.loads(data.decode()), Profile)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise Misconfigured(
            f"--from {name} is not a profile ({error}): docs/how-to/import.md shows one"
        ) from None
    for table in (profile.columns, profile.optional, profile.constants):
        unknown = next((field for field in table if field not in COLUMNS), None)
        if unknown is not None:
            raise Misconfigured(
                f"--from {name}: there is no field {unknown!r}; the fields are {listed(COLUMNS)}"
            )
    for column, pattern in profile.rows.contain.items():
        try:
            re.compile(pattern[:_MAX_PATTERN])
        except re.error as error:
            raise Misconfigured(
                f"--from {name}: the pattern of {column!r} is not a regular expression ({error})"
            ) from None
        if len(pattern) > _MAX_PATTERN:
            raise Misconfigured(
                f"--from {name}: the pattern of {column!r} has more than {_MAX_PATTERN:,} characters"
            )
    return profile
