"""Writes rates as JSON, CSV and Parquet; the size of every answer is bounded."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response

from otpconv.csv_cells import escaped
from otpconv.errors import AnswerTooLarge, InvalidRequest
from otpconv.parquet import TEXT, TIME, WHOLE, Kind, ParquetWriter, decimal
from otpconv.rates import RateQuery, RateRow
from otpconv.rates.columns import (
    COMPARED_COLUMNS,
    FLAGGED_COLUMNS,
    IN_CURRENCY,
    RATE_COLUMNS,
    TEXT_COLUMNS,
    WHOLE_COLUMNS,
    compared_row_values,
    flagged_row_values,
    row_values,
)
from otpconv.storage import deadline
from otpconv.times import local_minute
from otpconv.web.v1.rate_types import Rates
from otpconv.web.v1.rates_out import row_out

#: Formats by name, and their media types.
FORMATS = {
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
#: The header with the number of acknowledged reports that an answer lacks; CSV has no other place for it.
LAG_HEADER = "x-otpconv-lag"
#: Bytes of one answer with rates, in any format: the server holds it until the client has received it.
MAX_ANSWER_BYTES = 32 * 1024 * 1024
_WHOLE = WHOLE_COLUMNS | {"other"}
#: Rates and other shares are decimals in Parquet files, with more digits than their intervals are wide.
_SHARE = decimal(9)
#: So are amounts of money, to the millionth.
_AMOUNTS = dict.fromkeys(("cost", "cost_listed"), decimal(6))
#: Rows of one part; after each part, the size and the deadline are checked.
_PART = 1_000


def wanted_format(given: str | None, headers: Headers) -> str:
    """Return the name of the format that a request asks for.

    Args:
        given: the parameter `format`, which overrides the `Accept` header; None without one.
        headers: of the request; JSON is the default.

    Raises:
        InvalidRequest: the format is unknown.
    """
    accepted = headers.get("accept", "")
    if given is None:
        given = next((name for name, kind in FORMATS.items() if kind in accepted), "json")
    if given not in FORMATS:
        raise InvalidRequest(f"Invalid format {given[:40]!r}. Use {', '.join(FORMATS)}, or leave it out.")
    return given


def rates_response(name: str, head: Rates, rows: Sequence[RateRow], query: RateQuery) -> Response:
    """Return rates in a format.

    Args:
        name: of the format.
        head: the answer without its rows.
        rows: the rows of the answer.
        query: the question, which determines the columns.

    Raises:
        AnswerTooLarge: the answer is over `MAX_ANSWER_BYTES`.
        Unavailable: the time for the answer is over.
    """
    if name == "csv":
        return csv_response(rows, query, head.lag)
    body = _parquet(rows, query) if name == "parquet" else _joined(_json(head, rows, query))
    return _response(name, body, head.lag)


def csv_response(
    rows: Sequence[RateRow], query: RateQuery, lag: int, more: Mapping[str, str] | None = None
) -> Response:
    """Return rates as CSV.

    Args:
        rows: the rows of the answer.
        query: the question, which determines the columns.
        lag: how many acknowledged reports the answer lacks.
        more: further columns, with the same value in all rows.

    Raises:
        AnswerTooLarge: the answer is over `MAX_ANSWER_BYTES`.
        Unavailable: the time for the answer is over.
    """
    return _response("csv", _joined(_csv(rows, query, more or {})), lag)


def _response(name: str, body: bytes, lag: int) -> Response:
    headers = {"cache-control": "no-store", "vary": "accept", LAG_HEADER: str(lag)}
    return Response(body, media_type=FORMATS[name], headers=headers)


def _joined(parts: Iterable[bytes]) -> bytes:
    """Join parts, and check the size and the deadline after each."""
    whole = bytearray()
    for part in parts:
        whole += part
        _check(len(whole))
    return bytes(whole)


def _check(size: int) -> None:
    deadline.check()
    if size > MAX_ANSWER_BYTES:
        raise AnswerTooLarge(
            f"The answer is over {MAX_ANSWER_BYTES // 1024**2} MiB. Ask about less time, a longer interval or"
            " fewer dimensions (by), filter a dimension, or choose groups by top or min_requested."
        )


def _parts(rows: Sequence[RateRow]) -> Iterator[Sequence[RateRow]]:
    """Cut rows into parts; there is at least one, which may be empty."""
    for first in range(0, max(1, len(rows)), _PART):
        yield rows[first : first + _PART]


def _json(head: Rates, rows: Sequence[RateRow], query: RateQuery) -> Iterator[bytes]:
    yield msgspec.json.encode(head).removesuffix(b"]}")
    for place, part in enumerate(_parts(rows)):
        comma = b"," if place else b""
        yield comma + msgspec.json.encode([row_out(row, query) for row in part])[1:-1]
    yield b"]}"


def _csv(rows: Sequence[RateRow], query: RateQuery, more: Mapping[str, str]) -> Iterator[bytes]:
    columns = [*_columns(query), *more]
    if query.interval:
        columns.insert(1, _local_start(query))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    for part in _parts(rows):
        writer.writerows({**_csv_cells(row, query), **more} for row in part)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def _csv_cells(row: RateRow, query: RateQuery) -> dict[str, Any]:
    """Return the cells of a row: values of dimensions are escaped, so that none is a formula."""
    cells = _cells(row, query)
    if row.start is not None:
        cells[_local_start(query)] = local_minute(row.start, query.tz)
    for name in IN_CURRENCY:  # never 7.5e-05
        if cells[name] is not None:
            cells[name] = f"{Decimal(str(round(cells[name], 9))):f}"
    return cells | {name: escaped(cells[name]) for name in query.by if cells.get(name)}


def _local_start(query: RateQuery) -> str:
    """Return the name of the column with `start` in the question's time zone."""
    return f"start ({query.tz.key})"


def _parquet(rows: Sequence[RateRow], query: RateQuery) -> bytes:
    """Return a Parquet file with a row group for each part, and no column for the window."""
    file = io.BytesIO()
    writer = ParquetWriter(file, {name: _kind(name, query) for name in _columns(query)})
    for part in _parts(rows):
        writer.write([_cells(row, query) for row in part])
        _check(writer.size)
    writer.close()
    _check(writer.size)
    return file.getvalue()


def _kind(name: str, query: RateQuery) -> Kind:
    """Return what a column of a Parquet file holds."""
    if name == "start":
        return TIME
    if name in {*query.by, *TEXT_COLUMNS, "level"}:
        return TEXT
    return WHOLE if name in _WHOLE else _AMOUNTS.get(name, _SHARE)


def _columns(query: RateQuery) -> list[str]:
    return [
        *(["start"] if query.interval else []),
        *query.by,
        *RATE_COLUMNS,
        *(COMPARED_COLUMNS if query.compare else ()),
        *(FLAGGED_COLUMNS if query.without_ranges else ()),
        *(["other"] if query.top is not None or query.min_requested > 0 else []),
        "level",
    ]


def _cells(row: RateRow, query: RateQuery) -> dict[str, Any]:
    """Return a row by column; missing columns are empty."""
    cells: dict[str, Any] = {name: value or None for name, value in zip(query.by, row.group, strict=False)}
    cells.update(zip(RATE_COLUMNS, row_values(row), strict=True))
    if query.interval:
        cells["start"] = row.start
    if query.compare:
        cells.update(zip(COMPARED_COLUMNS, compared_row_values(row), strict=True))
    if query.without_ranges:
        cells.update(zip(FLAGGED_COLUMNS, flagged_row_values(row), strict=True))
    if row.others:
        cells["other"] = row.others
    return cells | {"level": query.level}
