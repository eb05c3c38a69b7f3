"""`otpconv relay`: how conversions are passed on to vendors."""

from typing import Annotated

import typer

from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.manual import add
from otpconv.cli.options import Json, Tz
from otpconv.cli.telling import tell, tell_rows
from otpconv.cli.zone import zone_of

app = typer.Typer(no_args_is_help=True, help="See, pause and resume the relay of conversions to vendors.")

_PATH = "/v1/relay"
_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A vendor account, as `otpconv vendors list` shows it.")
]


@with_client
def status(client: Client, json: Json = False) -> None:
    """Show how the relay to each vendor account is doing.

    `waiting` reports are sent now or later. `dead` ones were refused by the vendor. Of `unknown` ones it is
    not known whether the vendor has them, and a repeat would do harm. `expired` ones came too late for the
    vendor. `late_ms` is for how long the oldest one has been due.

    Examples:
        otpconv relay status
    """
    columns = ("name", "state", "waiting", "late_ms", "sent", "dead", "unknown", "expired", "error")
    tell_rows(columns, client.call("GET", _PATH)["vendors"], json=json)


@with_client
def pause(client: Client, name: _Name, json: Json = False) -> None:
    """Pause the relay to a vendor account; everything waits until `resume`.

    Examples:
        otpconv relay pause ali
    """
    tell(f"the relay to {name} is paused", client.call("POST", f"{_PATH}/{name}/pause"), json=json)


@with_client
def resume(client: Client, name: _Name, json: Json = False) -> None:
    """Resume the relay to a vendor account.

    Examples:
        otpconv relay resume ali
    """
    tell(f"the relay to {name} goes on", client.call("POST", f"{_PATH}/{name}/resume"), json=json)


@with_client
def dead_letters(
    client: Client,
    name: _Name,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many at most, the newest first.")] = 100,
    tz: Tz = None,
    json: Json = False,
) -> None:
    """List what a vendor refused, and what may have arrived or not, each with its reason and remedy.

    Examples:
        otpconv relay dead-letters ali
    """
    found = client.call("GET", f"{_PATH}/{name}/dead-letters", params={"limit": str(top)})["letters"]
    columns = ("message_id", "feedback", "status", "code", "remedy", "sent_at")
    tell_rows(columns, found, json=json, zone=zone_of(tz))


@with_client
def retry(
    client: Client,
    name: _Name,
    message_id: Annotated[
        str | None, typer.Option(metavar="MESSAGE_ID", help="Only those of this message; default: all.")
    ] = None,
    json: Json = False,
) -> None:
    """Send dead letters again, at most 1,000 at a time; those that are too late for the vendor expire.

    Examples:
        otpconv relay retry ali

        otpconv relay retry ali --message-id 9003a8f1
    """
    body = {} if message_id is None else {"message_id": message_id}
    retried = client.call("POST", f"{_PATH}/{name}/retry", body=body)
    tell(f"{retried['retried']} reports wait again", retried, json=json)


for _command in (status, pause, resume, dead_letters, retry):
    add(app, _command.__name__.replace("_", "-"), _command)
