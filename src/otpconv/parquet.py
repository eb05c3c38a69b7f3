"""Writes Parquet files with the standard library alone, a row group at a time, in bounded memory.

The files hold texts, whole numbers, times, decimals and flags, any of which may be missing. Values are plain
and compressed by gzip, which every reader of Parquet knows. The format, with the numbers of its fields:
https://github.com/apache/parquet-format. Its metadata is in Thrift's compact protocol.
"""

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

_MAGIC = b"PAR1"
_CREATED_BY = b"otpconv"
#: Window bits of zlib that make it write gzip.
_GZIP_BITS = 31
#: Types of values in Thrift's compact protocol.
_TRUE, _I32, _I64, _BINARY, _LIST, _STRUCT = 1, 5, 6, 8, 9, 12
#: Numbers of Parquet: physical types, repetition, encodings, codec.
_BOOLEAN, _INT64, _BYTE_ARRAY = 0, 2, 6
_OPTIONAL, _PLAIN, _RLE, _GZIP = 1, 0, 3, 2
_DATA_PAGE, _VERSION = 0, 1


class _Stream(Protocol):
    def write(self, content: bytes, /) -> object: ...


class Kind(Struct, frozen=True):
    """What a column holds.

    Attributes:
        physical: Parquet's physical type.
        encode: returns the bytes of values, none of which is None.
        converted: Parquet's older type of the values; None for none.
        logical: Parquet's logical type of the values, encoded; empty for none.
        scale: digits behind the point of decimals.
        precision: all digits of decimals.
    """

    physical: int
    encode: Callable[[Sequence[Any]], bytes]
    converted: int | None = None
    logical: bytes = b""
    scale: int | None = None
    precision: int | None = None


def decimal(scale: int) -> Kind:
    """Return the kind of decimals with this many digits behind the point, and 18 in all."""
    factor, digits = 10**scale, 18
    logical = _fields({5: (_STRUCT, _fields({1: (_I32, scale), 2: (_I32, digits)}))})
    return Kind(_INT64, lambda values: _whole([round(v * factor) for v in values]), 5, logical, scale, digits)


def _whole(values: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def _text(values: Sequence[str]) -> bytes:
    encoded = [value.encode() for value in values]
    return b"".join(part for text in encoded for part in (len(text).to_bytes(4, "little"), text))


def _bits(flags: Sequence[object]) -> bytes:
    """Return flags as bits, the first in the lowest bit of the first byte."""
    if not flags:
        return b""
    binary = "".join("1" if flag else "0" for flag in reversed(flags))
    return int(binary, 2).to_bytes(-(-len(flags) // 8), "little")


def _varint(number: int) -> bytes:
    """Encode a number in parts of 7 bits, the lowest first; the 8th bit says that another part follows."""
    encoded = bytearray()
    while number >> 7:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _value(kind: int, value: Any) -> bytes:  # noqa: ANN401 - each kind has its own type
    """Encode a value of Thrift; structs and lists are encoded already."""
    if kind in {_I32, _I64}:
        return _varint(value << 1 if value >= 0 else (-value << 1) - 1)
    return _varint(len(value)) + value if kind == _BINARY else bytes(value)


def _fields(fields: Mapping[int, tuple[int, Any]]) -> bytes:
    """Encode a struct of Thrift: the kinds and values of its fields, by their numbers, in ascending order."""
    encoded, before = b"", 0
    for number, (kind, value) in fields.items():
        encoded += bytes([number - before << 4 | kind]) + (b"" if kind == _TRUE else _value(kind, value))
        before = number
    return encoded + b"\0"


def _list(kind: int, values: Sequence[Any]) -> bytes:
    """Encode a list of Thrift."""
    short = len(values) < 15  # noqa: PLR2004 - longer ones have their length after the first byte
    head = bytes([len(values) << 4 | kind]) if short else bytes([0xF0 | kind]) + _varint(len(values))
    return head + b"".join(_value(kind, value) for value in values)


TEXT = Kind(_BYTE_ARRAY, _text, 0, _fields({1: (_STRUCT, _fields({}))}))
WHOLE = Kind(_INT64, _whole)
FLAG = Kind(_BOOLEAN, _bits)
#: Milliseconds UTC.
TIME = Kind(
    _INT64,
    _whole,
    9,
    _fields({8: (_STRUCT, _fields({1: (_TRUE, True), 2: (_STRUCT, _fields({1: (_STRUCT, _fields({}))}))}))}),
)


class ParquetWriter:
    """Writes a Parquet file. It is complete after `close`."""

    def __init__(self, stream: _Stream, columns: Mapping[str, Kind]) -> None:
        """Begin a file.

        Args:
            stream: where to write; it stays open.
            columns: what each column holds, by its name.
        """
        self._stream = stream
        self._columns = columns
        self._groups: list[bytes] = []
        self._rows = self._written = 0
        self._write(_MAGIC)

    @property
    def size(self) -> int:
        """The bytes that are written."""
        return self._written

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows as one row group; a missing value, or None, is null."""
        if not rows:
            return
        before, chunks = self._written, []
        for name, kind in self._columns.items():
            chunks.append(self._chunk(name, kind, [row.get(name) for row in rows]))
        group = {1: (_LIST, _list(_STRUCT, chunks)), 2: (_I64, self._written - before), 3: (_I64, len(rows))}
        self._groups.append(_fields(group))
        self._rows += len(rows)

    def close(self) -> None:
        """Complete the file."""
        schema = [
            _fields({4: (_BINARY, b"rows"), 5: (_I32, len(self._columns))}),
            *(_schema(name, kind) for name, kind in self._columns.items()),
        ]
        footer = _fields(
            {
                1: (_I32, _VERSION),
                2: (_LIST, _list(_STRUCT, schema)),
                3: (_I64, self._rows),
                4: (_LIST, _list(_STRUCT, self._groups)),
                6: (_BINARY, _CREATED_BY),
            }
        )
        self._write(footer + len(footer).to_bytes(4, "little") + _MAGIC)

    def _chunk(self, name: str, kind: Kind, values: Sequence[Any]) -> bytes:
        """Write a column of a row group as one page, and return its metadata."""
        present = [value for value in values if value is not None]
        # One run of bits says which values are there: its length in bytes, and in groups of 8.
        levels = _varint(-(-len(values) // 8) << 1 | 1) + _bits([value is not None for value in values])
        page = len(levels).to_bytes(4, "little") + levels + kind.encode(present)
        packed = zlib.compress(page, 1, _GZIP_BITS)
        content = {1: (_I32, len(values)), 2: (_I32, _PLAIN), 3: (_I32, _RLE), 4: (_I32, _RLE)}
        head = _fields(
            {
                1: (_I32, _DATA_PAGE),
                2: (_I32, len(page)),
                3: (_I32, len(packed)),
                5: (_STRUCT, _fields(content)),
            }
        )
        begin = self._written
        self._write(head + packed)
        about = {
            1: (_I32, kind.physical),
            2: (_LIST, _list(_I32, [_PLAIN, _RLE])),
            3: (_LIST, _list(_BINARY, [name.encode()])),
            4: (_I32, _GZIP),
            5: (_I64, len(values)),
            6: (_I64, len(head) + len(page)),
            7: (_I64, len(head) + len(packed)),
            9: (_I64, begin),
        }
        return _fields({2: (_I64, begin), 3: (_STRUCT, _fields(about))})

    def _write(self, content: bytes) -> None:
        self._stream.write(content)
        self._written += len(content)


def _schema(name: str, kind: Kind) -> bytes:
    """Return the element of the schema of a column."""
    fields: dict[int, tuple[int, Any]] = {
        1: (_I32, kind.physical),
        3: (_I32, _OPTIONAL),
        4: (_BINARY, name.encode()),
    }
    numbers = {6: kind.converted, 7: kind.scale, 8: kind.precision}
    fields |= {number: (_I32, value) for number, value in numbers.items() if value is not None}
    return _fields(fields | ({10: (_STRUCT, kind.logical)} if kind.logical else {}))
