"""`otpconv rates`."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from otpconv.cli.client import Client
from otpconv.cli.options import (
    DEFAULT_ENDPOINT,
    DEFAULT_KEY_FILE,
    AccessKeyId,
    AccessKeySecret,
    Endpoint,
    Json,
    KeyFile,
)
from otpconv.cli.terminal import output
from otpconv.errors import Misconfigured


def rates(
    start: Annotated[
        str | None, typer.Option(help="ISO 8601 or ms; default: 24 hours before the end.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="ISO 8601 or ms; default: now.")] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Split by country, carrier, provider, template, sender, channel; comma-separated."),
    ] = None,
    interval: Annotated[str | None, typer.Option(help="Split by time: 1m, 5m, 15m, 1h or 1d.")] = None,
    tz: Annotated[str | None, typer.Option(help="Time zone of 1d, as Europe/Berlin; default: UTC.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="NAME=VALUE", help="Only this value of a dimension; repeatable."),
    ] = None,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    access_key_id: AccessKeyId = None,
    access_key_secret: AccessKeySecret = None,
    key_file: KeyFile = DEFAULT_KEY_FILE,
    json: Json = False,
) -> None:
    """Print conversion rates: verified / requested, of the messages requested in a window of time.

    Examples:
        otpconv rates --by country,provider

        otpconv rates --start 2026-01-01 --end 2026-02-01 --interval 1d --where country=DE
    """
    client = Client(endpoint, access_key_id, access_key_secret, key_file)
    given = {"start": start, "end": end, "by": by, "interval": interval, "tz": tz}
    params: dict[str, str | list[str]] = {name: value for name, value in given.items() if value is not None}
    for condition in where or []:
        name, equals, value = condition.partition("=")
        if not equals:
            raise Misconfigured(f"--where takes NAME=VALUE, as country=DE; not {condition!r}")
        params[name] = [*params.get(name, []), value]
    answer = client.call("GET", "/v1/rates", params=params)
    if json:
        typer.echo(msgspec.json.encode(answer).decode())
        return
    dimensions = [name.strip() for name in (by or "").split(",") if name.strip()]
    console = output()
    console.print(table(answer, dimensions))
    console.print(f"{answer['unmatched']} unmatched")
    for reported in answer["self_reported"]:
        console.print(f"self-reported at {_iso(reported['report_time'])}: {_percent(reported['rate'])}")


def table(answer: dict[str, Any], dimensions: list[str]) -> Table:
    """Return the rows of an answer of `/v1/rates` as a table for a terminal."""
    shown = Table(title=f"{_iso(answer['start'])} to {_iso(answer['end'])}", title_justify="left")
    timed = any("start" in row for row in answer["rows"])
    for name in (["start"] if timed else []) + dimensions:
        shown.add_column(name)
    for name in ("requested", "verified", "rate"):
        shown.add_column(name, justify="right")
    for row in answer["rows"]:
        start = [_iso(row["start"])] if timed else []
        group = ["-" if row[name] is None else row[name] for name in dimensions]
        shown.add_row(*start, *group, str(row["requested"]), str(row["verified"]), _percent(row["rate"]))
    return shown


def _iso(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"
