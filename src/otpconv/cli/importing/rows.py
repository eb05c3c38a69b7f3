"""The rows of CSV and NDJSON files as streams: a damaged row never harms its neighbours."""

import csv
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from otpconv.cli.importing.header import Header
from otpconv.cli.importing.lines import Lines, printable
from otpconv.cli.importing.spreadsheet import cell
from otpconv.errors import Misconfigured

#: How deep nested objects of JSON are read as columns.
_LEVELS = 3


class Row(Struct):
    """One row of a file.

    Attributes:
        line: the number of its first line, from 1.
        original: as it stands in the file: its values by column, or its text where it is not even a row.
        problem: why it can't be read; None when it can.
    """

    line: int
    original: dict[str, object] | str
    problem: str | None = None


def csv_rows(lines: Lines, header: Header) -> Iterator[Row]:
    """Return the rows after the header without the blank ones.

    Columns without a name and empty values after the last column are left out. A row with fewer values than
    columns, or with more values that say something, has a problem: its values may be in the wrong columns.
    """
    reader = csv.reader(lines, delimiter=header.delimiter, strict=True)
    columns = header.columns
    # A line may end where nothing but columns without a name would follow.
    needed = max(index for index, name in enumerate(columns, start=1) if name)
    while True:
        lines.begin_record()
        number = lines.line + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # A quote that nobody closed takes in all that follows: only its first line is to blame.
            yield Row(number, lines.end_record_early(), f"not a row of CSV: {error}")
            continue
        if not any(values):
            continue
        # An empty value is an absent one, here and when the row is imported again from the rejects file.
        named = zip(columns, values, strict=False)
        original: dict[str, object] = {
            name: cell(value) if value[0] in "'=" else value for name, value in named if value.strip()
        }
        problem = lines.damage()
        if problem is not None:
            original = {printable(name): printable(str(value)) for name, value in original.items()}
        if len(values) != len(columns):
            extra = values[len(columns) :]
            if len(values) < needed or any(value.strip() for value in extra):
                problem = problem or f"{len(values)} values, but the header has {len(columns)} columns"
                original["(more)"] = [printable(value) for value in extra]
        original.pop("", None)
        yield Row(number, original, problem)


def ndjson_rows(lines: Lines) -> Iterator[Row]:
    """Return the rows of a file with one JSON object a line, without blank lines.

    Raises:
        Misconfigured: the file is one JSON list.
    """
    while True:
        lines.begin_record()
        try:
            text = next(lines).strip()
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(lines.line, lines.end_record_early(), str(error))
            continue
        if not text:
            continue
        if text.startswith("[") and lines.line == 1:
            raise Misconfigured(
                "the file is a JSON list: turn it into lines with `jq -c '.[]' FILE | otpconv import -`"
            )
        problem = lines.damage()
        if problem is not None:
            yield Row(lines.line, printable(text), problem)
            continue
        try:
            found: Any = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            yield Row(lines.line, text, f"not JSON: {error}")
            continue
        if isinstance(found, dict):
            yield Row(lines.line, _flat(found))
        else:
            yield Row(lines.line, text, "not a JSON object")


def _flat(found: dict[str, Any]) -> dict[str, object]:
    """Return a JSON object whose nested objects are columns with dots in their names, e.g. `price.value`."""
    for _ in range(_LEVELS):
        if not any(isinstance(value, dict) for value in found.values()):
            break
        found = {
            name if inner is None else f"{name}.{inner}": part
            for name, value in found.items()
            for inner, part in (value.items() if isinstance(value, dict) else ((None, value),))
        }
    return found
