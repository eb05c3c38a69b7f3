"""How the commands tell things: lines and tables for people, JSON for machines."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import typer
from rich.table import Table

from otpconv.cli.characters import as_json, one_line, visible
from otpconv.cli.terminal import output


def tell(text: str, fields: object, *, json: bool) -> None:
    """Print a text for people, or fields for machines."""
    typer.echo(as_json(fields) if json else visible(text))


def tell_members(fields: Mapping[str, object], *, json: bool) -> None:
    """Print one thing: a member a line for people."""
    lines = (f"{name}: {one_line(_shown(name, value))}" for name, value in fields.items())
    tell("\n".join(lines), fields, json=json)


def tell_rows(columns: Sequence[str], rows: Iterable[Mapping[str, object]], *, json: bool) -> None:
    """Print many things: for people a table with some of their members, for machines all."""
    rows = list(rows)
    if json:
        typer.echo(as_json(rows))
        return
    table = Table(*(column.replace("_at", "").replace("_", " ") for column in columns))
    for row in rows:
        table.add_row(*(one_line(_shown(column, row[column])) for column in columns))
    output().print(table)


def _shown(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_at"):
        never = "never" if name.startswith("last") else "-"
        return (
            datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M")
            if isinstance(value, int)
            else never
        )
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return str(value)
