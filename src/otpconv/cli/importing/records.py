"""What a row of an import file reports."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from otpconv.cli.importing.cells import (
    COMPACT,
    IDENTIFIERS,
    TIMES,
    attempt,
    cleaned,
    identifier,
    price,
    scalar,
    typed,
)
from otpconv.cli.importing.columns import (
    OF_CONVERSION,
    OF_MESSAGE,
    Columns,
    choose,
    find_direction,
    listed,
)
from otpconv.cli.importing.options import Meaning
from otpconv.cli.importing.regions import international_in
from otpconv.cli.importing.times import Times
from otpconv.errors import InvalidRequest, Misconfigured

REQUESTED_NOW = (
    "a message without a time counts as requested now: name the column with --map requested_at=COLUMN"
)

_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
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

    def __init__(self, times: Times, meaning: Meaning) -> None:
        """Read rows by these options.

        Args:
            times: reads times.
            meaning: what columns and values mean.

        Raises:
            Misconfigured: a constant is malformed, or there is no such region.
        """
        self._times = times
        self._renamed = meaning.renamed
        self._profile = meaning.profile
        self._optional = meaning.optional
        self._words = {**_WORDS, **meaning.words}
        self._only = tuple(meaning.only.items())
        self._contain = tuple(meaning.contain.items())
        self._international = international_in(meaning.region)
        self._chosen: dict[tuple[str, ...], Columns] = {}
        self._of_file: Columns | None = None
        self.ignored: dict[str, None] = {}
        self.mapped: dict[str, str] = {}
        try:
            self._constants = {
                name: self._value(name, "", text, []) for name, text in meaning.constants.items()
            }
        except InvalidRequest as error:
            raise Misconfigured(f"--set: {error.text}") from None

    def set_columns(self, columns: list[str]) -> None:
        """Choose the columns of a CSV file.

        Raises:
            Misconfigured: a column that is needed is missing, is there twice, or could be another one, too.
        """
        needed = [column for field, column in self._renamed.items() if field not in self._optional]
        named = [("--map", name) for name in needed] + [("--only", name) for name, _ in self._only]
        for option, name in named:
            if name not in columns:
                source = f"{option} or --from {self._profile}" if self._profile else option
                raise Misconfigured(
                    f"{source} names the column {name!r}, which is not in the file; its columns are"
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
        """Return whether a row is one of those that `--only` and the profile ask for."""
        return all(
            typed(row.get(column)).strip().casefold() in values for column, values in self._only
        ) and all(
            pattern.search(text) is not None
            for column, pattern in self._contain
            if (text := typed(row.get(column)).strip())
        )

    def read(self, row: Mapping[str, Any]) -> Reports:
        """Return what a row reports.

        Raises:
            InvalidRequest: a value is malformed, or the row reports nothing.
            Misconfigured: an option has to say what a value means.
        """
        columns = self._of_file or self._choose_once(row)
        notes: list[str] = []
        fields = self._fields(row, columns, notes)
        if "delivered" not in fields and self._is_unknown(row, columns):
            fields.pop("conversion_time", None)
        own_message = any(name in fields for name in OF_MESSAGE)
        constants = self._constants
        if "delivered" in constants and "conversion_time" not in fields:
            constants = {name: value for name, value in constants.items() if name != "delivered"}
        fields |= constants
        if "price" not in fields:
            fields.pop("currency", None)  # vendors also name it where they have not charged yet
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

    def _fields(self, row: Mapping[str, Any], columns: Columns, notes: list[str]) -> dict[str, object]:
        """Return the values that a row gives, by our field."""
        fields: dict[str, object] = {}
        for name, column in columns.fields:
            given = row.get(column)
            if given is not None:
                value = self._value(name, column, given, notes)
                if value is not None:
                    fields[name] = value
        return fields

    def _is_unknown(self, row: Mapping[str, Any], columns: Columns) -> bool:
        """Return whether the word in the column `delivered` means neither true nor false."""
        column = dict(columns.fields).get("delivered", "")
        return self._words.get(typed(row.get(column)).strip().casefold(), False) is None

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
            given = cleaned(name, given)
            if given is None or name not in COMPACT:
                return given
        if name == "delivered":
            return self._truth(given)
        if name in TIMES:
            return self._times.read(given, name, column, notes)
        if name in IDENTIFIERS:
            return identifier(name, given, notes)
        text = scalar(given, name)
        read = {"attempt": attempt, "price": price}.get(name)
        return read(text) if read else text

    def _truth(self, given: object) -> bool | None:
        word = str(given).strip().casefold()
        word = word if word in self._words else word.removesuffix(".0")
        if word not in self._words:
            raise InvalidRequest(
                f"delivered is {str(given)[:40]!r}, which is neither true nor false: give --true WORD if it"
                " means that the user confirmed the code, or --false WORD if not. A receipt is neither."
            )
        return self._words[word]


def _check_outbound(row: Mapping[str, Any], direction: str | None) -> None:
    if direction is None:
        return
    value = typed(row.get(direction)).strip()
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
