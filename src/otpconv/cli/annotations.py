"""`otpconv annotate` and `otpconv annotations`: marks in charts, e.g. releases and incidents."""

from typing import Annotated

import typer

from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.manual import add
from otpconv.cli.options import Json, Tz
from otpconv.cli.telling import tell, tell_rows
from otpconv.cli.zone import zone_of
from otpconv.clock import wall_clock
from otpconv.times import parse_time

app = typer.Typer(no_args_is_help=True, help="List and delete the annotations of charts.")

_PATH = "/v1/annotations"
_Text = Annotated[str, typer.Argument(metavar="TEXT", help="One line, at most 200 characters.")]
_At = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="The time that it marks, e.g. '2h ago', ISO 8601 or ms; default: now."),
]
_Start = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only those from this time on, e.g. yesterday, 7d or ISO 8601."),
]
_End = Annotated[str | None, typer.Option(metavar="TIME", help="Only those before this time, as --start.")]
_Id = Annotated[int, typer.Argument(metavar="ID", min=1, help="As `otpconv annotations list` shows it.")]


@with_client
def annotate(client: Client, text: _Text, at: _At = None, tz: Tz = None, json: Json = False) -> None:
    """Mark a time in charts with a text, e.g. a release or an incident.

    Examples:
        otpconv annotate "Release 2.4"

        otpconv annotate "Provider acme had an outage" --at 2026-01-31T12:00Z
    """
    zone = zone_of(tz)
    body: dict[str, object] = {"text": text}
    if at is not None:
        body["at"] = parse_time(at, "--at", now=wall_clock(), tz=zone)
    created = client.call("POST", _PATH, body=body)
    tell(f"annotation {created['id']} created", created, json=json)


@with_client
def list_annotations(
    client: Client,
    start: _Start = None,
    end: _End = None,
    tz: Tz = None,
    json: Json = False,
) -> None:
    """List annotations by time.

    Examples:
        otpconv annotations list --start 2026-01-01
    """
    zone, now = zone_of(tz), wall_clock()
    window = {
        name: str(parse_time(text, f"--{name}", now=now, tz=zone))
        for name, text in (("start", start), ("end", end))
        if text is not None
    }
    annotations = client.call("GET", _PATH, params=window)["annotations"]
    rows = [
        {"marks_at" if name == "at" else name: value for name, value in row.items()} for row in annotations
    ]
    if json:
        tell_rows((), annotations, json=True)
        return
    tell_rows(("id", "marks_at", "text", "created_by"), rows, json=False, zone=zone)


@with_client
def delete(client: Client, annotation: _Id, json: Json = False) -> None:
    """Delete an annotation for good.

    Examples:
        otpconv annotations delete 12
    """
    deleted = client.call("DELETE", f"{_PATH}/{annotation}")
    tell(f"annotation {annotation} deleted", deleted, json=json)


for _command in (list_annotations, delete):
    add(app, _command.__name__.removesuffix("_annotations"), _command)
