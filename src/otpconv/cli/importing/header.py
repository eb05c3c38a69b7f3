"""Where the header of a CSV file is, and what separates its columns."""

import csv
import io
import re
from collections.abc import Mapping

from msgspec import Struct

from otpconv.cli.importing.columns import count_known, listed
from otpconv.cli.importing.lines import Lines, describe_damage
from otpconv.errors import Misconfigured

#: Lines in which to look for the header: exports may begin with a title, a period and blank lines.
_HEAD_LINES = 50
#: Lines of a header with quoted line breaks.
_HEADER_LINES = 20
_DELIMITERS = ",;\t|"
#: What Excel writes, and reads, before the header.
_SEP_LINE = re.compile(r"""\s*["']?sep=(.)["']?[\r\n]*""", re.IGNORECASE)


class Header(Struct):
    """The header of a CSV file.

    Attributes:
        columns: their names, without surrounding blanks; empty for a column without a name.
        delimiter: what separates them.
        first_line: the number of its first line.
        lines: how many lines it has.
    """

    columns: list[str]
    delimiter: str
    first_line: int
    lines: int


def read_header(lines: Lines, delimiter: str | None, renamed: Mapping[str, str]) -> Header:
    """Read the lines up to the header, and the header.

    It is the row with the most columns of ours among the first 50 lines. The delimiter is the one that splits
    it into the most columns.

    Args:
        lines: of a file, from its beginning.
        delimiter: one character; None: as the line `sep=` says, else the best one.
        renamed: the columns that `--map` names, by field.

    Raises:
        Misconfigured: there is no such row.
    """
    head = lines.peek(_HEAD_LINES)
    first = next((index for index, line in enumerate(head) if line.strip('\r\n\t ,;|"')), None)
    if first is None:
        raise Misconfigured("the file is empty: give a CSV file that begins with a row of column names")
    if (told := _SEP_LINE.fullmatch(head[first])) is not None:
        delimiter = delimiter or told[1]
        first += 1
    candidates = [_candidate(head, index, delimiter, renamed) for index in range(first, len(head))]
    known, header = max(candidates, key=lambda candidate: candidate[0], default=(0, None))
    damage = _first_damage(head if known == 0 or header is None else _of(header, head), lines.encoding)
    if damage is not None:
        raise Misconfigured(f"the header can't be read: it {damage}")
    if header is None or known == 0:
        shown = candidates[0][1] if candidates else None
        raise Misconfigured(_explain([] if shown is None else shown.columns, renamed))
    lines.skip_to(header.first_line - 1 + header.lines)
    return header


def _candidate(
    head: list[str], index: int, delimiter: str | None, renamed: Mapping[str, str]
) -> tuple[int, Header | None]:
    """Return the row that begins with this line as a header, and how many columns of ours it has."""
    record = head[index]
    count = 1
    while record.count('"') % 2 and count < min(_HEADER_LINES, len(head) - index):
        record += head[index + count]
        count += 1
    best: tuple[int, int, list[str], str] | None = None
    for mark in delimiter or _DELIMITERS:
        try:
            rows = list(csv.reader(io.StringIO(record, newline=""), delimiter=mark, strict=True))
        except csv.Error:
            continue
        if len(rows) == 1:
            names = [name.strip() for name in rows[0]]
            found = (len(names), count_known(names, renamed), names, mark)
            best = found if best is None or found[:2] > best[:2] else best
    if best is None:
        return 0, None
    return best[1], Header(best[2], best[3], index + 1, count)


def _of(header: Header, head: list[str]) -> list[str]:
    return head[header.first_line - 1 : header.first_line - 1 + header.lines]


def _first_damage(head: list[str], encoding: str) -> str | None:
    return next((found for line in head if (found := describe_damage(line, encoding)) is not None), None)


def _explain(columns: list[str], renamed: Mapping[str, str]) -> str:
    missing = next((column for column in renamed.values() if column not in columns), None)
    if missing is not None and columns:
        return (
            f"--map names the column {missing!r}, which is not in the file; its columns are {listed(columns)}"
        )
    return (
        f"the first {_HEAD_LINES} lines have no header with message_id or to; the first row is"
        f" {listed(columns)}. Add a header row, or name the column, e.g. --map message_id=COLUMN; if the"
        " row is split at the wrong places, give --delimiter"
    )
