"""Rates as JSON, CSV and Parquet, each answer bounded in bytes."""

import csv
import io
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import islice
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict
from starlette.datastructures import Headers
from starlette.responses import Response

from otpconv.errors import AnswerTooLarge, InvalidRequest
from otpconv.rates import RateQuery
from otpconv.rates.cells import escaped
from otpconv.storage import deadline
from otpconv.web.v1.native_types import RateOut, Rates

#: Formats by name, and what they are called on the wire.
FORMATS = {
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
#: The header that tells how many acknowledged reports an answer lacks; CSV and Parquet have no other place.
LAG_HEADER = "x-otpconv-lag"
#: Bytes of one answer with rates, in any format: it stays in memory until the client has read it.
MAX_ANSWER_BYTES = 32 * 1024 * 1024
#: Rows of one part; between two of them the size and the time are checked.
_PART = 1_000
_COMPARED = (
    *("before_requested", "before_verified", "before_rate"),
    *("change", "change_low", "change_high"),
)
_ALWAYS = (
    *("requested", "verified", "rate", "rate_low", "rate_high", "pending"),
    *("rate_expected", "rate_expected_low", "rate_expected_high"),
    *("reported_share", "p50_ms", "p90_ms", "p99_ms"),
)
_WHOLE = {"start", "requested", "verified", "pending", "p50_ms", "p90_ms", "p99_ms", "before_requested"} | {
    *("before_verified", "other")
}


def wanted_format(given: str | None, headers: Headers) -> str:
    """Return the format that the parameter `format`, or else the header `Accept`, asks for; JSON if neither.

    Raises:
        InvalidRequest: there is no such format, or the library that writes it is not installed.
    """
    accepted = headers.get("accept", "")
    if given is None:
        given = next((name for name, kind in FORMATS.items() if kind in accepted), "json")
    if given not in FORMATS:
        raise InvalidRequest(f"format is one of {', '.join(FORMATS)}, or left out.")
    # It is imported where the answer is made: that takes a second, which the event loop does not have.
    if given == "parquet" and find_spec("pyarrow") is None:
        raise InvalidRequest(
            "This server can't write Parquet: pip install 'otpconv[parquet]' there, or take format=csv."
        )
    return given


def rates_response(name: str, head: Rates, rows: Iterable[RateOut], query: RateQuery) -> Response:
    """Return rates in a format.

    Args:
        name: of the format.
        head: the answer without its rows.
        rows: its rows, made as they are written.
        query: the question, which tells the columns.

    Raises:
        AnswerTooLarge: the answer is over `MAX_ANSWER_BYTES`.
        Unavailable: the time of the calling thread is over.
    """
    headers = {"cache-control": "no-store", "vary": "accept", LAG_HEADER: str(head.lag)}
    if name == "parquet":
        return Response(_parquet(rows, query), media_type=FORMATS[name], headers=headers)
    whole = bytearray()
    for part in _csv(rows, query) if name == "csv" else _json(head, rows):
        whole += part
        _check(len(whole))
    return Response(bytes(whole), media_type=FORMATS[name], headers=headers)


def _check(size: int) -> None:
    deadline.check()
    if size > MAX_ANSWER_BYTES:
        raise AnswerTooLarge(
            f"The answer is over {MAX_ANSWER_BYTES // 1024**2} MiB. Ask about less time, a longer interval or"
            " fewer dimensions (by), filter a dimension, or choose groups by top or min_requested."
        )


def _parts(rows: Iterable[RateOut]) -> Iterator[list[RateOut]]:
    """Cut rows into parts; there is always one, which may be empty."""
    source = iter(rows)
    part = list(islice(source, _PART))
    while True:
        following = list(islice(source, _PART))
        yield part
        if not following:
            return
        part = following


def _json(head: Rates, rows: Iterable[RateOut]) -> Iterator[bytes]:
    opening = msgspec.json.encode(head).removesuffix(b"]}")
    waiting: bytes | None = None
    for part in _parts(rows):
        if waiting is not None:
            yield waiting + b","
        waiting = opening + msgspec.json.encode(part)[1:-1]
        opening = b""
    yield (waiting or b"") + b"]}"


def _csv(rows: Iterable[RateOut], query: RateQuery) -> Iterator[bytes]:
    columns = _columns(query)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for part in _parts(rows):
        writer.writerows(_cells(row, query) for row in part)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def _cells(row: RateOut, query: RateQuery) -> dict[str, Any]:
    """Return a row as cells: texts of others are no formulas, numbers stay numbers."""
    values = _values(row, query)
    return values | {name: escaped(values[name]) for name in query.by if isinstance(values.get(name), str)}


def _parquet(rows: Iterable[RateOut], query: RateQuery) -> bytes:
    """Return a Parquet file, a row group a part; where the window begins and ends is in no column."""
    import pyarrow as pa  # noqa: PLC0415 - an extra that few need
    from pyarrow import parquet  # noqa: PLC0415

    kinds = {True: pa.int64(), False: pa.float64()}
    schema = pa.schema(
        [
            (name, pa.string() if name in {*query.by, "level"} else kinds[name in _WHOLE])
            for name in _columns(query)
        ]
    )
    file = io.BytesIO()
    with parquet.ParquetWriter(file, schema) as writer:
        for part in _parts(rows):
            writer.write_table(pa.Table.from_pylist([_values(row, query) for row in part], schema=schema))
            _check(file.tell())
    _check(file.tell())
    return file.getvalue()


def _columns(query: RateQuery) -> list[str]:
    choosing = query.top is not None or query.min_requested > 0
    return [
        *(["start"] if query.interval else []),
        *query.by,
        *_ALWAYS,
        *(_COMPARED if query.compare else ()),
        *(["other"] if choosing else []),
        "level",
    ]


def _values(row: RateOut, query: RateQuery) -> dict[str, Any]:
    """Return a row by columns; what is absent or null is empty."""
    told = {name: value for name, value in asdict(row).items() if value is not UNSET}
    return {**told, "level": query.level}
