"""`otpconv rates`: print, plot or draw conversion rates."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import typer
from msgspec import Struct
from rich.console import RenderableType

from otpconv.cli import rates_options as options
from otpconv.cli.characters import as_json, visible
from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.files import new_file
from otpconv.cli.options import Json, Tz
from otpconv.cli.rates_view import View, title
from otpconv.cli.terminal import note, output, show
from otpconv.cli.watching import watch
from otpconv.cli.zone import zone_of
from otpconv.errors import Misconfigured

_Params = dict[str, str | list[str]]


@with_client
def rates(
    client: Client,
    file: options.Picture = None,
    start: options.Start = None,
    end: options.End = None,
    by: options.By = None,
    interval: options.Interval = None,
    tz: Tz = None,
    where: options.Where = None,
    level: options.Level = None,
    compare: options.Compare = None,
    order: options.Order = None,
    top: options.Top = None,
    min_requested: options.MinRequested = None,
    without_ranges: options.WithoutRanges = False,
    plot: options.Plot = False,
    wide: options.Wide = False,
    watch: options.Watch = False,
    csv: options.Csv = False,
    parquet: options.Parquet = None,
    json: Json = False,
) -> None:
    """Print conversion rates: verified / requested, for the messages requested in a window of time.

    On a terminal, columns that don't fit are left out, the least important first. With --compare, rows in red
    are surely worse: the whole 95 % interval of their change is below zero.

    Examples:
        otpconv rates --by country,provider

        otpconv rates --start 2026-01-01 --end 2026-02-01 --interval 1d --where country=DE

        otpconv rates --by country --compare week --order change --min-requested 100

        otpconv rates --start 1h --by provider --top 10 --watch

        otpconv rates --interval 1h --by provider --plot rates.svg

        otpconv rates --start 90d --interval 1d --by country --parquet rates.parquet
    """
    zone = zone_of(tz)
    given = {"start": start, "end": end, "by": by, "interval": interval, "tz": zone.key, "level": level}
    given |= {"compare": compare, "order": order or (top and "-requested") or None}
    given["without_ranges"] = "true" if without_ranges else None
    params = _parameters(given, {"top": top, "min_requested": min_requested}, where or [])
    (form := _Form(file, plot, wide, watch, csv, parquet, json)).check()
    _print(client, params, zone, form)


class _Form(Struct):
    """What to print of the rates, and how."""

    file: Path | None
    plot: bool
    wide: bool
    watch: bool
    csv: bool
    parquet: Path | None
    json: bool

    def check(self) -> None:
        """Raise Misconfigured where options contradict each other."""
        if self.file is not None and not self.plot:
            raise Misconfigured(f"FILE {self.file} needs --plot: add --plot, or leave FILE out")
        if self.watch and (self.csv or self.wide or self.file or self.parquet):
            raise Misconfigured(
                "--watch shows a table or a drawing as wide as the terminal, or JSON:"
                " leave out --csv, --parquet, --wide and FILE"
            )


def _print(client: Client, params: _Params, zone: ZoneInfo, form: _Form) -> None:
    if form.csv:
        text = client.text("/v1/rates", params | {"format": "csv"})
        # A file or a pipe gets the CSV unchanged.
        typer.echo(visible(text.replace("\r\n", "\n")) if sys.stdout.isatty() else text, nl=False)
        return
    if form.parquet is not None:
        with new_file(form.parquet, "--parquet") as stream:
            client.download("/v1/rates", params | {"format": "parquet"}, stream)
        note(f"rates written to {form.parquet}")
        return
    console = output(wide=form.wide)
    names = [name.strip() for name in str(params.get("by", "")).split(",") if name.strip()]

    def look() -> Sequence[RenderableType]:
        """Ask the server. Return the parts to show; print JSON, and write pictures."""
        answer = client.call("GET", "/v1/rates", params=params)
        if form.json:
            typer.echo(as_json(answer))
            return ()
        if form.file is not None:
            _draw(answer, names, zone, form.file)
            return ()
        width = None if form.wide or not console.is_terminal else console.width
        return list(View(names, zone, str(params.get("order", "")), form.plot, width).parts(answer))

    if form.watch:
        watch(look, console)
    else:
        show(look(), console)


def _parameters(given: dict[str, str | None], numbers: dict[str, int | None], where: list[str]) -> _Params:
    """Return the parameters of the URL: the options given, and the conditions by dimension."""
    params: _Params = {name: text for name, text in given.items() if text is not None}
    params |= {name: str(number) for name, number in numbers.items() if number is not None}
    for condition in where:
        name, equals, value = condition.partition("=")
        if not equals:
            raise Misconfigured(f"invalid --where {condition!r}: use NAME=VALUE, e.g. country=DE")
        params[name] = [*params.get(name, []), value]
    return params


def _draw(answer: dict[str, Any], dimensions: list[str], zone: ZoneInfo, file: Path) -> None:
    from otpconv.charts import chart, timeline
    from otpconv.cli.rates_points import points_of

    rows = answer["rows"]
    points = points_of(rows, dimensions, answer["end"])
    specification: dict[str, Any] | str
    if not dimensions and len(rows) > 1:
        step_ms = rows[1]["start"] - rows[0]["start"]
        one = timeline.Chart(points, step_ms, title=title(answer, zone), ground="white")
        specification = timeline.timeline_specification(one)
    else:
        specification = chart.groups_specification(points, dimensions, title(answer, zone))
    drawn = chart.picture(specification, file.suffix.lower().removeprefix("."))
    try:
        file.write_bytes(drawn)
    except OSError as error:
        raise Misconfigured(f"can't write {file}: {error.strerror}") from error
    note(f"chart written to {file}")
