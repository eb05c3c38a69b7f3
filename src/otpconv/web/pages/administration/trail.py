"""Searches the audit trail, from the newest line back, in steps that take a bounded time."""

import os
import re
from io import BufferedReader
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from otpconv.audit import Line

#: Lines on one page.
MAX_LINES: Final = 50
#: Bytes that one search reads, about 10,000 lines; then the page offers to search on.
MAX_READ_BYTES: Final = 2 * 1024 * 1024
#: A longer line is not otpconv's.
MAX_LINE_BYTES: Final = 16 * 1024

_PART_BYTES: Final = 64 * 1024
#: The first account, in which the server creates its first key; its administrators run the server.
OPERATOR_ACCOUNT: Final = 1

_SUBJECT = re.compile(r"(?:user|role|policy) ([^/ ]+)/")
_decode = msgspec.json.Decoder(Line).decode


class Search(Struct, frozen=True):
    """What to search for; an empty text matches everything.

    Attributes:
        account: the number of the account whose lines may be seen.
        account_name: its name.
        who: part of an access key id, a user's name or a source address.
        what: part of the action or of the changed object.
        outcome: `done`, `refused`, or a code.
        start: the first time, ISO 8601 UTC.
        end: the time after the last, ISO 8601 UTC.
    """

    account: int
    account_name: str
    who: str = ""
    what: str = ""
    outcome: str = ""
    start: str = ""
    end: str = ""


class Found(Struct, frozen=True):
    """The lines that a step of a search found.

    Attributes:
        lines: the newest first.
        before: where in the file to search on; None if the search is over.
        reached: the time of the last line that was read; empty if none was.
    """

    lines: list[Line]
    before: int | None
    reached: str


def search_trail(file: Path, search: Search, before: int | None = None) -> Found:
    """Return the next lines that match; waits for the disk.

    Args:
        file: the audit trail.
        search: what to search for.
        before: as `Found.before` said; None searches from the end of the file, or from the end of the time.

    Raises:
        OSError: the file can't be read.
    """
    try:
        stream = file.open("rb")
    except FileNotFoundError:
        return Found([], None, "")
    with stream:
        size = os.fstat(stream.fileno()).st_size
        if before is None or not 0 <= before <= size:  # another file, since it was rotated
            before = _offset_of(stream, size, search.end) if search.end else size
        return _search(stream, search, before)


def _search(stream: BufferedReader, search: Search, before: int) -> Found:
    floor = max(0, before - MAX_READ_BYTES)
    stream.seek(floor)
    block = stream.read(before - floor)
    if floor and 0 < (cut := block.find(b"\n") + 1) < len(block):
        # It begins within a line, which belongs to the next step.
        floor, block = floor + cut, block[cut:]
    lines: list[Line] = []
    position, reached = before, ""
    for raw in reversed(block.splitlines(keepends=True)):
        position -= len(raw)
        line = _line(raw)
        if line is None:
            continue
        reached = line.at
        if search.start and line.at < search.start:
            return Found(lines, None, reached)
        if _matches(line, search):
            lines.append(line)
            if len(lines) == MAX_LINES:
                return Found(lines, position or None, reached)
    return Found(lines, floor or None, reached)


def _offset_of(stream: BufferedReader, size: int, time: str) -> int:
    """Return where the first line at `time` or later begins; lines are in the order of time."""
    low, high = 0, size
    while high - low > _PART_BYTES:
        middle = (low + high) // 2
        stream.seek(middle)
        stream.readline(MAX_LINE_BYTES)
        begin = stream.tell()
        line = _line(stream.readline(MAX_LINE_BYTES))
        if line is None or line.at >= time:
            high = middle
        else:
            low = begin
    stream.seek(low)
    while (raw := stream.readline(MAX_LINE_BYTES)) and stream.tell() < low + 3 * _PART_BYTES:
        line = _line(raw)
        if line is not None and line.at >= time:
            return stream.tell() - len(raw)
    return stream.tell()


def _line(raw: bytes) -> Line | None:
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):  # half a line, left by a full disk
        return None


def _matches(line: Line, search: Search) -> bool:
    who, what = search.who.lower(), search.what.lower()
    return (
        _is_visible(line, search)
        and (not search.end or line.at < search.end)
        and (not who or any(who in text.lower() for text in (line.who, line.user, line.source_ip)))
        and (not what or what in line.what.lower() or what in line.subject.lower())
        and _has_outcome(line, search.outcome)
    )


def _has_outcome(line: Line, wanted: str) -> bool:
    if wanted == "refused":
        return line.outcome != "done"
    return not wanted or line.outcome.lower() == wanted.lower()


def _is_visible(line: Line, search: Search) -> bool:
    """Return whether a line is about the account; unproven callers and the server concern its operators."""
    if line.account:
        return line.account == search.account
    subject = _SUBJECT.match(line.subject)
    if subject is not None:
        return subject[1] == search.account_name
    return search.account == OPERATOR_ACCOUNT
