"""What a row of an import file reports."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from otpconv.cli.importing import spreadsheet
from otpconv.cli.importing.columns import (
    OF_CONVERSION,
    OF_MESSAGE,
    Columns,
    choose,
    find_direction,
    listed,
)
from otpconv.cli.importing.regions import international_in
from otpconv.cli.importing.times import Times
from otpconv.errors import InvalidRequest, Misconfigured

REQUESTED_NOW = (
    "a message without a time counts as requested now: name the column with --map requested_at=COLUMN"
)

_TIMES = frozenset({"requested_at", "conversion_time"})
_IDENTIFIERS = frozenset({"message_id", "to", "session_id"})
#: Surrounding blanks mean nothing in these; in the others they may.
_COMPACT = frozenset({*_IDENTIFIERS, *_TIMES, "country", "attempt", "delivered"})
_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
#: What programs write where there is no value; an id may be a dash.
_NO_ID = frozenset({"", "null", "(null)", "<null>", "none", "nan", "n/a", "#n/a", "\\n"})
_NO_VALUE = _NO_ID | {"-", "--"}
#: Cached sets of names of JSON objects, with their columns.
_REMEMBERED = 1_000


class Reports(Struct):
    """What a row reports.

    Attributes:
        message: a JSON object of the native API; None when the row reports no message.
        conversion: the same for a conversion.
        notes: the assumptions and repairs made to read it, one fixed text each.
    """

    message: bytes | None
    conversion: bytes | None
    notes: list[str]


class Reader:
    """Makes reports of rows.

    Attributes:
        ignored: names of columns that were not used so far.
        mapped: our fields that were found under other names, and those names.
    """

    def __init__(
        self,
        times: Times,
        renamed: Mapping[str, str],
        constants: Mapping[str, str],
        words: Mapping[str, bool],
        only: Mapping[str, frozenset[str]],
        region: str = "",
    ) -> None:
        """Read rows by these options.

        Args:
            times: reads times.
            renamed: columns of the file, by our field.
            constants: values that replace what the rows say, by our field.
            words: further words for `delivered`, in lower case, and what they mean.
            only: by column, in lower case, the values of which a row has one; other rows are left out.
            region: the country whose national numbers are read; empty: none.

        Raises:
            Misconfigured: a constant is malformed, or there is no such region.
        """
        self._times = times
        self._renamed = renamed
        self._words = {**_WORDS, **words}
        self._only = tuple(only.items())
        self._international = international_in(region)
        self._chosen: dict[tuple[str, ...], Columns] = {}
        self._of_file: Columns | None = None
        self.ignored: dict[str, None] = {}
        self.mapped: dict[str, str] = {}
        try:
            self._constants = {name: self._value(name, "", text, []) for name, text in constants.items()}
        except InvalidRequest as error:
            raise Misconfigured(f"--set: {error.text}") from None

    def set_columns(self, columns: list[str]) -> None:
        """Choose the columns of a CSV file.

        Raises:
            Misconfigured: a column that is needed is missing, is there twice, or could be another one, too.
        """
        named = [("--map", name) for name in self._renamed.values()] + [
            ("--only", name) for name, _ in self._only
        ]
        for option, name in named:
            if name not in columns:
                raise Misconfigured(
                    f"{option} names the column {name!r}, which is not in the file; its columns are"
                    f" {listed(columns)}"
                )
        chosen = self._choose(columns)
        used = (*(column for _, column in chosen.fields), *(column for column, _ in self._only))
        twice = next((column for column in used if columns.count(column) > 1), None)
        if twice is not None:
            raise Misconfigured(f"the header names the column {twice!r} twice: rename one of the two")
        found = {name for name, _ in chosen.fields} | self._constants.keys()
        if chosen.ignored and not found & {"requested_at", *OF_CONVERSION}:
            raise Misconfigured(
                "no column is requested_at, so every message would count as requested now: say which column"
                f" it is, e.g. --map requested_at=COLUMN; the columns are {listed(columns)}"
            )
        self._of_file = chosen

    def wants(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row is one of those that `--only` asks for."""
        return all(_text(row.get(column)).strip().casefold() in values for column, values in self._only)

    def read(self, row: Mapping[str, Any]) -> Reports:
        """Return what a row reports.

        Raises:
            InvalidRequest: a value is malformed, or the row reports nothing.
            Misconfigured: an option has to say what a value means.
        """
        columns = self._of_file or self._choose_once(row)
        notes: list[str] = []
        fields: dict[str, object] = {}
        for name, column in columns.fields:
            given = row.get(column)
            if given is not None:
                value = self._value(name, column, given, notes)
                if value is not None:
                    fields[name] = value
        own_message = any(name in fields for name in OF_MESSAGE)
        constants = self._constants
        if "delivered" in constants and "conversion_time" not in fields:
            constants = {name: value for name, value in constants.items() if name != "delivered"}
        fields |= constants
        if isinstance(fields.get("to"), str):
            fields["to"] = self._international(str(fields["to"]))
        is_conversion = "delivered" in fields
        # A constant provider does not make a message of a row that is only a conversion.
        is_message = own_message or (not is_conversion and any(name in fields for name in OF_MESSAGE))
        if is_conversion:
            _complete(fields)
        else:
            _check_message(fields, is_message=is_message)
        if is_message:
            _check_outbound(row, columns.direction)
            if "requested_at" not in fields:
                notes.append(REQUESTED_NOW)
        return Reports(
            _encoded(fields, OF_CONVERSION) if is_message else None,
            _encoded(fields, OF_MESSAGE) if is_conversion else None,
            notes,
        )

    def _choose_once(self, row: Mapping[str, Any]) -> Columns:
        names = tuple(row)
        chosen = self._chosen.get(names)
        if chosen is None:
            chosen = self._choose(list(names))
            if len(self._chosen) < _REMEMBERED:
                self._chosen[names] = chosen
        return chosen

    def _choose(self, columns: list[str]) -> Columns:
        fields = choose(columns, self._renamed)
        known = {*fields.values(), *(column for column, _ in self._only)}
        ignored = [column for column in columns if column and column not in known]
        self.ignored.update(dict.fromkeys(ignored))
        self.mapped |= {name: column for name, column in fields.items() if name != column}
        return Columns(list(fields.items()), ignored, find_direction(columns))

    def _value(self, name: str, column: str, given: Any, notes: list[str]) -> object:  # noqa: ANN401 - JSON
        """Return the value of a field; None when it is absent."""
        if isinstance(given, str):
            given = _cleaned(name, given)
            if given is None or name not in _COMPACT:
                return given
        if name == "delivered":
            return self._truth(given)
        if name in _TIMES:
            return self._times.read(given, name, column, notes)
        if name in _IDENTIFIERS:
            return _identifier(name, given, notes)
        text = _scalar(given, name)
        return _whole(text) if name == "attempt" else text

    def _truth(self, given: object) -> bool:
        word = str(given).strip().casefold()
        found = self._words.get(word)
        found = self._words.get(word.removesuffix(".0")) if found is None else found
        if found is None:
            raise InvalidRequest(
                f"delivered is {str(given)[:40]!r}, which is neither true nor false: give --true WORD if it"
                " means that the user confirmed the code, or --false WORD if not. A receipt is neither."
            )
        return found


def _cleaned(name: str, text: str) -> str | None:
    """Return a text without the blanks around it that mean nothing; None when it stands for no value."""
    if name not in _COMPACT:
        return text
    text = text.strip()
    return None if text.casefold() in (_NO_ID if name in _IDENTIFIERS else _NO_VALUE) else text


def _identifier(name: str, given: object, notes: list[str]) -> str:
    try:
        if isinstance(given, float):
            return spreadsheet.identifier_of(given, name, notes)
        return spreadsheet.identifier(_scalar(given, name), name, notes)
    except InvalidRequest:
        # The server takes a message without a number that can't be read, and says so.
        if name == "to" and isinstance(given, str | float):
            return str(given)
        raise


def _scalar(value: object, name: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidRequest(f"{name} is not a text or a whole number. Write it as a text.")
    if isinstance(value, float) and name != "attempt":
        raise InvalidRequest(f"{name} is a number with decimals. Write it as a text.")
    return str(value)


def _whole(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})(?:\.0+)?", text)
    if found is None:
        raise InvalidRequest(
            f"attempt is {text[:20]!r}, which is not a whole number. Use 1 for the first send, 2 for the"
            " first resend."
        )
    return int(found[1])


def _text(value: object) -> str:
    """Return a JSON value as somebody types it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _check_outbound(row: Mapping[str, Any], direction: str | None) -> None:
    if direction is None:
        return
    value = _text(row.get(direction)).strip()
    if value.casefold().startswith(("inbound", "incoming")) or value.casefold() == "mo":
        raise InvalidRequest(
            f"The message is {value[:20]}: you did not send it. Leave such rows out with --only, e.g."
            f" --only {direction}=outbound-api."
        )


def _check_message(fields: Mapping[str, object], *, is_message: bool) -> None:
    if "conversion_time" in fields:
        raise InvalidRequest(
            "conversion_time is given without delivered: add that column, or give --set delivered=true."
        )
    if not is_message:
        raise InvalidRequest(
            "The row reports neither a message (requested_at) nor a conversion (delivered). Add one of"
            " the two."
        )


def _complete(conversion: dict[str, object]) -> None:
    """Say that the time of a conversion is unknown where the row has none; left out it would be now.

    Raises:
        InvalidRequest: its message is found by the time.
    """
    if "conversion_time" in conversion:
        return
    if "message_id" not in conversion:
        raise InvalidRequest(
            "A conversion without message_id needs conversion_time to find its message. Add one of the two."
        )
    conversion["conversion_time"] = None


def _encoded(fields: Mapping[str, object], without: tuple[str, ...]) -> bytes:
    return msgspec.json.encode({name: value for name, value in fields.items() if name not in without})
