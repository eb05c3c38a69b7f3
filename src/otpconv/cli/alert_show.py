"""`otpconv alerts show`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from otpconv.cli.characters import as_json, visible
from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.options import Json, Tz
from otpconv.cli.zone import local, zone_of

_Id = Annotated[int, typer.Argument(metavar="ID", min=1, help="As `otpconv alerts list` shows it.")]
_Ticket = Annotated[bool, typer.Option("--ticket", help="Print the text of a ticket for the vendor only.")]


@with_client
def show(client: Client, alert: _Id, ticket: _Ticket = False, tz: Tz = None, json: Json = False) -> None:
    """Show an alert: expected and seen values, its cost, healthy routes, remedies, and its history.

    Examples:
        otpconv alerts show 12

        otpconv alerts show 12 --ticket
    """
    shown = client.call("GET", f"/v1/alerts/{alert}")
    if json:
        typer.echo(as_json({"ticket": shown["ticket"]} if ticket else shown))
    elif ticket:
        typer.echo(visible(shown["ticket"] or f"alert {alert} has no ticket: no vendor can fix it"))
    else:
        typer.echo(visible("\n".join(_lines(shown, zone_of(tz)))))


def _lines(shown: Mapping[str, Any], zone: ZoneInfo) -> Iterator[str]:
    yield f"alert {shown['id']}: {shown['kind']}, {shown['label']}, {shown['severity']}, {shown['state']}"
    low, high = (local(shown[name], zone) for name in ("since_low", "since_high"))
    yield f"since about {local(shown['since'], zone)} {zone.key} (between {low} and {high})"
    yield f"  {shown['summary']}"
    yield from (f"  {sentence}" for sentence in shown["cost"]["words"])
    yield from (f"  -> {sentence}" for sentence in shown["advice"])
    for event in shown["history"]:
        by, note = f" by {event['by']}" if event["by"] else "", f": {event['note']}" if event["note"] else ""
        yield f"{local(event['at'], zone)} {event['happening']}{by}{note}"
    if shown["ticket"]:
        yield f"for the vendor: otpconv alerts show {shown['id']} --ticket"
