"""`otpconv ranges`: the number ranges that look like fraud."""

import sys
from typing import Annotated, Any

import typer

from otpconv.cli.characters import as_json, visible
from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.options import Json, Tz
from otpconv.cli.rates_options import End
from otpconv.cli.telling import tell_rows
from otpconv.cli.zone import local, zone_of
from otpconv.clock import wall_clock
from otpconv.money import amount_text
from otpconv.times import parse_time

_Start = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Start of the window, e.g. 30d or ISO 8601; default: 7 days ago."),
]
_Country = Annotated[str | None, typer.Option(metavar="CC", help="Only this country, e.g. DE.")]
_MinPosterior = Annotated[
    float | None, typer.Option(metavar="P", help="The least probability, 0 to 1; default: 0.95.")
]
_Top = Annotated[int | None, typer.Option(metavar="N", help="The most ranges; default: 100.")]
_Csv = Annotated[bool, typer.Option("--csv", help="Print a list to block, with a date to review each entry.")]


@with_client
def ranges(
    client: Client,
    start: _Start = None,
    end: End = None,
    country: _Country = None,
    min_posterior: _MinPosterior = None,
    top: _Top = None,
    tz: Tz = None,
    csv: _Csv = False,
    json: Json = False,
) -> None:
    """Print the number ranges that look like fraud: many messages, almost none verified.

    Nothing is blocked. Before you block a range, look at how many of its users were verified before.

    Examples:
        otpconv ranges

        otpconv ranges --country DE --min-posterior 0.5

        otpconv ranges --csv > block.csv
    """
    zone, now = zone_of(tz), wall_clock()
    params: dict[str, str | list[str]] = {
        name: str(parse_time(text, name, now=now, tz=zone))
        for name, text in (("start", start), ("end", end))
        if text is not None
    }
    given = {"country": country, "limit": top, "min_posterior": min_posterior}
    params |= {name: f"{value}" for name, value in given.items() if value is not None}
    if csv:
        text = client.text("/v1/ranges", params | {"format": "csv"})
        # A file or a pipe gets the CSV unchanged.
        typer.echo(visible(text.replace("\r\n", "\n")) if sys.stdout.isatty() else text, nl=False)
        return
    answer = client.call("GET", "/v1/ranges", params=params)
    if json:
        typer.echo(as_json(answer))
        return
    if rows := [_row(found) for found in answer["ranges"]]:
        tell_rows(list(rows[0]), rows, json=False, zone=zone)
    window = f"{local(answer['start'], zone)} to {local(answer['end'], zone)} ({zone.key})"
    typer.echo(f"{_count(answer)} of {answer['judged']:,} ranges, {window}")
    for route in answer["routes"]:
        name = f"{route['provider'] or 'unknown'} in {route['country'] or 'unknown'}"
        typer.echo(visible(f"route to look at: {name}: {' '.join(route['reasons'])}"))


def _count(answer: dict[str, Any]) -> str:
    return f"{'more than ' if answer['more'] else ''}{len(answer['ranges']):,}"


def _row(found: dict[str, Any]) -> dict[str, object]:
    return {
        "range": found["number_range"],
        "country": found["country"] or "unknown",
        "fraud": f"{found['posterior']:.0%}",
        "requested": f"{found['requested']:,}",
        "verified": f"{found['verified']:,}",
        "usual": f"{found['usual_rate']:.0%}",
        "verified before": f"{found['verified_before']:,}",
        "cost": " + ".join(f"{amount_text(cost['cost'])} {cost['currency']}" for cost in found["costs"])
        or "-",
        "first_requested_at": found["first_requested_at"],
    }
