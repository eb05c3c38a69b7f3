"""`otpconv rates`: print, plot or draw conversion rates."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from otpconv.cli.characters import as_json, one_line, visible
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
from otpconv.cli.rates_table import iso, percentage, table
from otpconv.cli.terminal import note, output
from otpconv.errors import Misconfigured
from otpconv.model import OTHER

_Picture = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="With --plot: the .png or .svg file to write.")
]
_Start = Annotated[
    str | None,
    typer.Option(
        help="Start of the window, e.g. yesterday, 'monday 9:30', 7d or ISO 8601; default: a day before end."
    ),
]
_End = Annotated[str | None, typer.Option(help="End of the window, as --start; default: now.")]
_By = Annotated[
    str | None,
    typer.Option(
        help="Split by country, carrier, provider, template, sender, channel, access_key; comma-separated."
    ),
]
_Interval = Annotated[str | None, typer.Option(help="Split by time: 1m, 5m, 15m, 1h or 1d.")]
_Zone = Annotated[str | None, typer.Option(help="Time zone of 1d, e.g. Europe/Berlin; default: UTC.")]
_Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="NAME=VALUE", help="Only messages with this value of a dimension; repeatable."
    ),
]
_Level = Annotated[str | None, typer.Option(help="The unit to count: message, first_attempt or session.")]
_Compare = Annotated[
    str | None,
    typer.Option(help="Compare with the day or week before, or the previous window: day, week or previous."),
]
_Order = Annotated[
    str | None,
    typer.Option(
        help="Column to sort by, e.g. -requested, rate, change, p50_ms; a minus puts the largest first."
    ),
]
_Top = Annotated[int | None, typer.Option(help="Show this many groups, and one row for all others.")]
_Least = Annotated[
    int | None, typer.Option(help="Put groups with fewer requested messages into the row for all others.")
]
_Plot = Annotated[bool, typer.Option("--plot", help="Draw the rates, in the terminal or to FILE.")]
_Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


def rates(
    file: _Picture = None,
    start: _Start = None,
    end: _End = None,
    by: _By = None,
    interval: _Interval = None,
    tz: _Zone = None,
    where: _Where = None,
    level: _Level = None,
    compare: _Compare = None,
    order: _Order = None,
    top: _Top = None,
    min_requested: _Least = None,
    plot: _Plot = False,
    csv: _Csv = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    access_key_id: AccessKeyId = None,
    access_key_secret: AccessKeySecret = None,
    key_file: KeyFile = DEFAULT_KEY_FILE,
    json: Json = False,
) -> None:
    """Print conversion rates: verified / requested, for the messages requested in a window of time.

    Examples:
        otpconv rates --by country,provider

        otpconv rates --start 2026-01-01 --end 2026-02-01 --interval 1d --where country=DE

        otpconv rates --by country --compare week --order change --min-requested 100

        otpconv rates --interval 1h --by provider --plot rates.svg
    """
    if file is not None and not plot:
        raise Misconfigured(f"FILE {file} needs --plot: add --plot, or leave FILE out")
    given = {"start": start, "end": end, "by": by, "interval": interval, "tz": tz, "level": level}
    numbers = {"top": top, "min_requested": min_requested}
    params = _parameters(given | {"compare": compare, "order": order}, numbers, where or [])
    client = Client(endpoint, access_key_id, access_key_secret, key_file)
    if csv:
        text = client.text("/v1/rates", params | {"format": "csv"})
        # A file or a pipe gets the CSV unchanged.
        typer.echo(visible(text.replace("\r\n", "\n")) if sys.stdout.isatty() else text, nl=False)
        return
    answer = client.call("GET", "/v1/rates", params=params)
    if json:
        typer.echo(as_json(answer))
        return
    _show(answer, [name.strip() for name in (by or "").split(",") if name.strip()], file, plot=plot)


def _parameters(
    given: dict[str, str | None], numbers: dict[str, int | None], where: list[str]
) -> dict[str, str | list[str]]:
    """Return the parameters of the URL: the options given, and the conditions by dimension."""
    params: dict[str, str | list[str]] = {name: text for name, text in given.items() if text is not None}
    params |= {name: str(number) for name, number in numbers.items() if number is not None}
    for condition in where:
        name, equals, value = condition.partition("=")
        if not equals:
            raise Misconfigured(f"invalid --where {condition!r}: use NAME=VALUE, e.g. country=DE")
        params[name] = [*params.get(name, []), value]
    return params


def _show(answer: dict[str, Any], dimensions: list[str], file: Path | None, *, plot: bool) -> None:
    from otpconv.cli.plot import plot_lines
    from otpconv.cli.rates_points import points_of

    if file is not None:
        _draw(answer, dimensions, file)
        return
    console = output()
    if plot:
        for line in plot_lines(points_of(answer["rows"], dimensions)):
            console.print(one_line(line), soft_wrap=True)
        return
    console.print(table(answer, dimensions))
    if (maturity := answer["maturity"]) is not None:
        learned = {"filters": "of these", "account": "of the account"}.get(maturity["scope"])
        source = f"learned from {maturity['learned_from']} {learned}" if learned else "not learned yet"
        console.print(f"pending: younger than {maturity['horizon_ms'] / 60_000:.1f} min, {source}")
    console.print(f"{answer['unmatched']} unmatched")
    if answer["folded"]:
        console.print(f"{answer['folded']:,} messages are counted as {OTHER}: too many values in a day")
    if answer["lag"]:
        console.print(
            f"the server is catching up: {answer['lag']:,} acknowledged reports are not in these rates yet"
        )
    if answer["self_reported_left_out"]:
        console.print(f"{answer['self_reported_left_out']:,} older self-reported rates are left out")
    for reported in answer["self_reported"]:
        console.print(f"self-reported at {iso(reported['report_time'])}: {percentage(reported['rate'])}")


def _draw(answer: dict[str, Any], dimensions: list[str], file: Path) -> None:
    from otpconv.charts import chart, timeline
    from otpconv.cli.rates_points import points_of

    title = f"{iso(answer['start'])} to {iso(answer['end'])}: {answer['denominator']}"
    rows = answer["rows"]
    points = points_of(rows, dimensions)
    specification: dict[str, Any] | str
    if not dimensions and len(rows) > 1:
        step_ms = rows[1]["start"] - rows[0]["start"]
        one = timeline.Chart(points, step_ms, title=title, ground="white")
        specification = timeline.timeline_specification(one)
    else:
        specification = chart.groups_specification(points, dimensions, title)
    drawn = chart.picture(specification, file.suffix.lower().removeprefix("."))
    try:
        file.write_bytes(drawn)
    except OSError as error:
        raise Misconfigured(f"can't write {file}: {error.strerror}") from error
    note(f"chart written to {file}")
