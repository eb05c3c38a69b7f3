"""How the commands tell things: lines and tables for people, JSON for machines."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from otpconv.cli.characters import as_json, one_line, visible
from otpconv.cli.terminal import output
from otpconv.cli.zone import local, zoned

_UTC = ZoneInfo("UTC")


def tell(text: str, fields: object, *, json: bool) -> None:
    """Print a text for people, or fields for machines."""
    typer.echo(as_json(fields) if json else visible(text))


def tell_members(fields: Mapping[str, object], *, json: bool, zone: ZoneInfo = _UTC) -> None:
    """Print one thing: a member a line for people, with times in a time zone, which is named."""
    lines = (
        f"{name}: {one_line(_time(name, value, zone, zoned) or _text(value))}"
        for name, value in fields.items()
    )
    tell("\n".join(lines), fields, json=json)


def tell_rows(
    columns: Sequence[str],
    rows: Iterable[Mapping[str, object]],
    *,
    json: bool,
    zone: ZoneInfo = _UTC,
) -> None:
    """Print many things: for people a table with some of their members, for machines all.

    Args:
        columns: the members that people see; times have names that end in `_at`.
        rows: the things.
        json: print JSON.
        zone: the time zone of the times, which the table names.
    """
    rows = list(rows)
    if json:
        typer.echo(as_json(rows))
        return
    table = Table(*(_header(column, zone) for column in columns))
    for row in rows:
        cells = (_time(column, row[column], zone, local) or _text(row[column]) for column in columns)
        table.add_row(*map(one_line, cells))
    output().print(table)


def _header(column: str, zone: ZoneInfo) -> str:
    name = column.removesuffix("_at").replace("_", " ")
    return f"{name} ({zone.key})" if column.endswith("_at") else name


def _time(name: str, value: object, zone: ZoneInfo, form: Callable[[int, ZoneInfo], str]) -> str | None:
    """Return the text of a member that is a time; None for others."""
    if not name.endswith("_at"):
        return None
    if isinstance(value, int):
        return form(value, zone)
    return "never" if name.startswith("last") else "-"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return str(value)
