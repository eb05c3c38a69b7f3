"""Opening an import file: plain or gzip, in any encoding, from a disk or from a pipe."""

import codecs
import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from otpconv.errors import Misconfigured

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER_BYTES = 256 * 1024
#: Read first, to see what the file is.
_HEAD_BYTES = 1024
_GZIP = b"\x1f\x8b"
#: Byte order marks; the longer ones first, because UTF-32 begins as UTF-16 does.
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
#: What files begin with that are not text, and what to do about it.
_FOREIGN = {
    b"PK\x03\x04": "is an Excel workbook or a zip archive: save it as CSV, or unzip it",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook: save it as CSV",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd: run `zstd -dc FILE | otpconv import -`",
    b"\xfd7zX": "is compressed with xz: run `xz -dc FILE | otpconv import -`",
    b"BZh": "is compressed with bzip2: run `bzip2 -dc FILE | otpconv import -`",
    b"PAR1": "is Parquet: convert it to CSV",
    b"<": "is HTML or XML: export it as CSV",
}
#: Each encoding that other software calls by the name of a smaller one.
_SUPERSETS = {"gbk": "gb18030", "gb2312": "gb18030", "utf-8": "utf-8-sig"}
_ERRORS = "otpconv.marked"
_SURROGATE = 0xDC00


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """Open a file, or standard input for `-`, as bytes.

    Raises:
        Misconfigured: the file can't be read.
    """
    if file == Path("-"):
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise Misconfigured(
            f"{file} can't be read ({error.strerror}): check its name and its permissions"
        ) from None
    with stream:
        yield stream


def size(stream: BinaryIO) -> int | None:
    """Return the size of a file, bytes; None for a pipe."""
    return os.fstat(stream.fileno()).st_size if stream.seekable() else None


def text_of(stream: BinaryIO, encoding: str | None, usual: str | None = None) -> io.TextIOWrapper:
    r"""Return the text of a stream that stands at its beginning.

    gzip and byte order marks are recognised by content. A byte that is not of the encoding becomes a lone
    surrogate, U+DC00 plus its value. Lines end with CR, LF or CR LF, which are kept.

    Args:
        stream: plain or gzip.
        encoding: its name; None: by the byte order mark, else UTF-8.
        usual: the encoding of a stream without a mark whose beginning is not UTF-8; None: UTF-8 all the same.

    Raises:
        Misconfigured: the stream is not text, or `encoding` does not exist or contradicts the mark.
    """
    head, data = _with_head(cast("_Readable", stream))
    if head.startswith(_GZIP):
        head, data = _with_head(gzip.GzipFile(fileobj=data))
    advice = next((advice for mark, advice in _FOREIGN.items() if head.startswith(mark)), None)
    if advice is not None:
        raise Misconfigured(f"the file {advice}")
    if encoding is None and usual is not None and not _may_be_utf8(head):
        encoding = usual
    return io.TextIOWrapper(data, _encoding(head, encoding), errors=_ERRORS, newline="")


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def read1(self, size: int, /) -> bytes: ...


class _Joined(io.RawIOBase):
    """The first bytes of a stream, which were read already, and then the rest of it."""

    def __init__(self, head: bytes, rest: _Readable) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:  # type: ignore[explicit-override]
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:  # type: ignore[explicit-override]
        target = memoryview(buffer)
        data = self._head or self._rest.read1(len(target))
        self._head = b""
        target[: len(data)] = data
        return len(data)


def _with_head(stream: _Readable) -> tuple[bytes, io.BufferedReader]:
    try:
        head = stream.read(_HEAD_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise Misconfigured(
            f"the file can't be read ({error}): it is truncated or damaged; get the file again"
        ) from None
    return head, io.BufferedReader(_Joined(head, stream), _BUFFER_BYTES)


def _encoding(head: bytes, wanted: str | None) -> str:
    marked = next((name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)
    if wanted is None:
        if marked is None and 0 in head:
            # A comma or a digit has a zero after it or before it.
            order = "le" if head[1::2].count(0) > head[::2].count(0) else "be"
            raise Misconfigured(f"the file looks like UTF-16: give --encoding utf-16-{order}")
        return marked or "utf-8"
    try:
        "x".encode(wanted)
    except (LookupError, ValueError):
        raise Misconfigured(
            f"--encoding {wanted!r} does not exist; use e.g. gb18030 (Chinese), cp1252 (Western European)"
            " or utf-16"
        ) from None
    name = codecs.lookup(wanted).name
    if marked is not None and not name.startswith(marked.removesuffix("-sig")):
        raise Misconfigured(
            f"--encoding {wanted}: the file begins with a byte order mark of {marked.removesuffix('-sig')}."
            " Leave --encoding out"
        )
    return marked or _SUPERSETS.get(name, name)


def _may_be_utf8(head: bytes) -> bool:
    """Return whether the beginning of a stream is UTF-8 or has a byte order mark."""
    if head.startswith(tuple(_BYTE_ORDER_MARKS)):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # its last character may be incomplete
    except UnicodeDecodeError:
        return False
    return True


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    damaged = error.object[error.start : error.end]
    return "".join(chr(_SURROGATE + byte) for byte in damaged), error.end


codecs.register_error(_ERRORS, _mark)
