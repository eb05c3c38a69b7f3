"""What a row of an import file says, and the columns that imports and exports have in common."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from otpconv.errors import InvalidNumber, InvalidRequest, Misconfigured

COLUMNS = (
    "message_id",
    "requested_at",
    "to",
    "country",
    "carrier",
    "provider",
    "template",
    "sender",
    "channel",
    "session_id",
    "attempt",
    "delivered",
    "conversion_time",
)
_IDENTITY = ("message_id", "to")
_OF_CONVERSION = ("delivered", "conversion_time")
_OF_MESSAGE = tuple(name for name in COLUMNS if name not in (*_IDENTITY, *_OF_CONVERSION))
#: Surrounding blanks mean nothing in these; in the others they may.
_COMPACT = frozenset({"message_id", "to", "country", "requested_at", "attempt", *_OF_CONVERSION})
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Reports(Struct):
    """What a row reports, as JSON objects of the native API; None for what it does not."""

    message: bytes | None
    conversion: bytes | None


class Reader:
    """Makes reports of rows.

    Attributes:
        ignored: names of columns that say nothing to otpconv, as far as they were seen.
    """

    def __init__(self, renamed: Mapping[str, str], constants: Mapping[str, str], region: str = "") -> None:
        """Take the columns' own names by ours, the constant fields, and whose national numbers are read.

        Raises:
            Misconfigured: a constant is malformed, or there is no such region.
        """
        self._sources = {name: renamed.get(name, name) for name in COLUMNS}
        self._known = frozenset(self._sources.values())
        try:
            self._constants = {name: _value(name, text) for name, text in constants.items()}
        except InvalidRequest as error:
            raise Misconfigured(f"--set: {error.text}") from None
        self._renamed = renamed
        self._international = international_in(region)
        self.ignored: dict[str, None] = {}

    def check_columns(self, columns: list[str]) -> None:
        """Refuse a header that can't be meant.

        Raises:
            Misconfigured: a column is there twice, or one that is needed is not.
        """
        twice = next((name for name in columns if columns.count(name) > 1), None)
        if twice is not None:
            raise Misconfigured(f"the header names the column {twice!r} twice: rename one of the two")
        missing = next((old for old in self._renamed.values() if old not in columns), None)
        if missing is not None:
            raise Misconfigured(f"--map names a column {missing!r}; the columns are {_listed(columns)}")
        if not any(self._sources[name] in columns for name in _IDENTITY):
            raise Misconfigured(
                f"no column is message_id or to, in a first row of {_listed(columns)}: give a header row,"
                " or say which column it is, as --map message_id=COLUMN"
            )

    def read(self, row: Mapping[str, Any]) -> Reports:
        """Return what a row reports.

        Raises:
            InvalidRequest: a value is malformed, or the row reports nothing.
        """
        if not row.keys() <= self._known:
            self.ignored.update(dict.fromkeys(name for name in row if name not in self._known))
        fields = {}
        for name, source in self._sources.items():
            given = row.get(source)
            if given is not None:
                fields[name] = _value(name, given)
        own_message = any(name in fields for name in _OF_MESSAGE)
        constants = self._constants
        if "delivered" in constants and "conversion_time" not in fields:
            constants = {name: value for name, value in constants.items() if name != "delivered"}
        fields |= constants
        if isinstance(fields.get("to"), str):
            fields["to"] = self._international(str(fields["to"]))
        is_conversion = "delivered" in fields
        # A constant provider makes no message of a row that is a conversion and nothing else.
        is_message = own_message or (not is_conversion and any(name in fields for name in _OF_MESSAGE))
        if "conversion_time" in fields and not is_conversion:
            raise InvalidRequest("conversion_time needs delivered: add it, or give --set delivered=true.")
        if not is_message and not is_conversion:
            raise InvalidRequest(
                "The row reports neither a message (requested_at) nor a conversion (delivered)."
            )
        if is_conversion and "conversion_time" not in fields:
            if "message_id" not in fields:
                raise InvalidRequest(
                    "A conversion without message_id needs conversion_time: its message is found by it."
                )
            fields["conversion_time"] = None  # unknown; left out it would be now
        return Reports(
            _encoded(fields, _OF_CONVERSION) if is_message else None,
            _encoded(fields, _OF_MESSAGE) if is_conversion else None,
        )


def international_in(region: str) -> Callable[[str], str]:
    """Return what writes national numbers of a region in E.164; a number that it can't read stays as it is.

    Raises:
        Misconfigured: there is no such region, or the number plans are not installed.
    """
    if not region:
        return str
    try:
        from otpconv.phone import parse, region_of
    except ImportError:
        raise Misconfigured("--region needs the number plans: install otpconv[server]") from None
    known = region_of(region)

    def international(number: str) -> str:
        try:
            return parse(number, known).e164
        except InvalidNumber:
            return number  # the server says why

    return international


def assignments(given: list[str], option: str, example: str) -> dict[str, str]:
    """Return the names and values of a repeatable option NAME=VALUE whose names are our columns.

    Raises:
        Misconfigured: one is malformed, or names no column of ours.
    """
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise Misconfigured(f"{option} takes {example}; not {text!r}")
        if name not in COLUMNS:
            raise Misconfigured(
                f"{option} {text}: there is no field {name!r}; the fields are {_listed(COLUMNS)}"
            )
        found[name] = value
    return found


def _encoded(fields: Mapping[str, object], without: tuple[str, ...]) -> bytes:
    return msgspec.json.encode({name: value for name, value in fields.items() if name not in without})


def _value(name: str, given: Any) -> object:  # noqa: ANN401 - JSON is anything
    if name == "delivered":
        return _truth(given)
    if isinstance(given, int) and not isinstance(given, bool):
        return given if name in {"requested_at", "conversion_time", "attempt"} else str(given)
    if not isinstance(given, str):
        raise InvalidRequest(f"{name} is not a text or a whole number.")
    text = given.strip() if name in _COMPACT else given
    if name in {"requested_at", "conversion_time"}:
        # It needs none of the server's libraries; imported late, it costs other commands nothing.
        from otpconv.rates.question import parse_time

        return parse_time(text, name)
    if name == "attempt":
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise InvalidRequest("attempt is not a whole number.")
        return int(text)
    return text


def _truth(given: object) -> bool:
    found = _TRUTH.get(str(given).strip().lower())
    if found is None:
        raise InvalidRequest("delivered is neither true nor false.")
    return found


def _listed(names: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(name[:40] for name in names[:20])
    return f"{shown}, …" if len(names) > len(names[:20]) else shown
