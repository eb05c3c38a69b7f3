"""Reading import files without a server: what the rows of some bytes report."""

import json
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

from msgspec import Struct

from otpconv.cli.importing.options import meaning
from otpconv.cli.importing.profile import Profile, load
from otpconv.cli.importing.records import Reader
from otpconv.cli.importing.run import Table
from otpconv.cli.importing.times import Times
from otpconv.errors import InvalidRequest


class Read(Struct):
    """What a file reports: messages, conversions, notes, and by line why rows were rejected."""

    messages: list[dict[str, Any]]
    conversions: list[dict[str, Any]]
    notes: list[str]
    rejects: dict[int, str]
    left_out: int
    columns: dict[str, str]


def read(
    data: bytes | str,
    *,
    tz: str | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    mapped: tuple[str, ...] = (),
    constants: tuple[str, ...] = (),
    true: tuple[str, ...] = (),
    false: tuple[str, ...] = (),
    only: tuple[str, ...] = (),
    pipe: bool = False,
    profile: str = "",
) -> Read:
    """Read a file as `otpconv import` does with these options; of a pipe there is no second look."""
    data = data.encode() if isinstance(data, str) else data
    found = load(profile) if profile else Profile("")
    means = meaning(found, profile, map_=mapped, set_=constants, only=only, true=true, false=false)
    table = Table(None, encoding, delimiter, means.renamed, found.encoding)

    def survey() -> Iterator[Mapping[str, object]]:
        return (row.original for row in table.open(BytesIO(data))[2] if isinstance(row.original, dict))

    tz, time_format = tz or found.tz, time_format or found.time_format
    reader = Reader(Times(tz, time_format, None if pipe else survey), means)
    _, columns, rows = table.open(BytesIO(data))
    if columns is not None:
        reader.set_columns(columns)
    result = Read([], [], [], {}, 0, reader.mapped)
    for row in rows:
        if row.problem is not None or isinstance(row.original, str):
            result.rejects[row.line] = str(row.problem)
            continue
        if not reader.wants(row.original):
            result.left_out += 1
            continue
        try:
            reports = reader.read(row.original)
        except InvalidRequest as error:
            result.rejects[row.line] = error.text
            continue
        result.notes += reports.notes
        for body, to in ((reports.message, result.messages), (reports.conversion, result.conversions)):
            if body is not None:
                to.append(json.loads(body))
    return result
