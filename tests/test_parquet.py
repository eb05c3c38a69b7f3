"""Parquet files that another reader reads back as they were written."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pyarrow import parquet

from otpconv.parquet import FLAG, TEXT, TIME, WHOLE, Kind, ParquetWriter, decimal

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = {
    "text": TEXT,
    "whole": WHOLE,
    "time": TIME,
    "flag": FLAG,
    "share": decimal(9),
    "seconds": decimal(3),
}
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "text": st.none() | st.text(),
        "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
        "time": st.none() | st.integers(0, 253_370_764_800_000),
        "flag": st.none() | st.booleans(),
        "share": st.none() | st.floats(-1, 1),
        "seconds": st.none() | st.floats(0, 1e9),
    },
)


def written(columns: dict[str, Kind], groups: list[list[dict[str, Any]]]) -> bytes:
    stream = io.BytesIO()
    writer = ParquetWriter(stream, columns)
    for rows in groups:
        writer.write(rows)
    writer.close()
    assert writer.size == len(stream.getvalue())
    return stream.getvalue()


def value(name: str, given_value: Any) -> object:  # noqa: ANN401 - any value of a row
    """Return what a reader must find."""
    if given_value is None:
        return None
    if name == "time":
        return EPOCH + timedelta(milliseconds=given_value)
    if name in {"share", "seconds"}:
        digits = {"share": 9, "seconds": 3}[name]
        return Decimal(round(given_value * 10**digits)).scaleb(-digits)
    return given_value


@given(st.lists(st.lists(ROWS, max_size=20), max_size=4))
def test_every_value_comes_back_as_it_was(groups: list[list[dict[str, Any]]]) -> None:
    found = parquet.read_table(io.BytesIO(written(COLUMNS, groups)))
    expected = [{name: value(name, row.get(name)) for name in COLUMNS} for rows in groups for row in rows]
    assert found.to_pylist() == expected


def test_readers_see_times_and_decimals_not_numbers() -> None:
    schema = parquet.read_schema(io.BytesIO(written(COLUMNS, [])))
    kinds = {field.name: str(field.type) for field in schema}
    assert kinds == {
        "text": "string",
        "whole": "int64",
        "time": "timestamp[ms, tz=UTC]",
        "flag": "bool",
        "share": "decimal128(18, 9)",
        "seconds": "decimal128(18, 3)",
    }


@pytest.mark.parametrize("count", [1, 7, 8, 9, 14, 15, 16, 127, 128, 1_000, 70_000])
def test_columns_and_rows_of_any_count(count: int) -> None:
    rows = [{"n": n if n % 3 else None, "even": n % 2 == 0} for n in range(count)]
    found = parquet.read_table(io.BytesIO(written({"n": WHOLE, "even": FLAG}, [rows, rows])))
    assert found.to_pylist() == rows * 2
    columns = {f"c{n}": WHOLE for n in range(min(count, 200))}
    wide = parquet.read_table(io.BytesIO(written(columns, [[dict.fromkeys(columns, 5)]])))
    assert wide.to_pylist() == [dict.fromkeys(columns, 5)]
    groups = min(count, 200)
    many = io.BytesIO(written({"n": WHOLE}, [[{"n": n}] for n in range(groups)]))
    assert parquet.ParquetFile(many).num_row_groups == groups
    assert parquet.read_table(many)["n"].to_pylist() == [*range(groups)]
