"""`otpconv message`."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from otpconv.cli.characters import as_json, visible
from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.options import Json
from otpconv.errors import Misconfigured

_Id = Annotated[str | None, typer.Argument(metavar="[MESSAGE_ID]", help="The id of a message.")]
_Number = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", help="A phone number, e.g. +34600000001.", show_default=False),
]


@with_client
def message(
    client: Client,
    message_id: _Id = None,
    number: _Number = None,
    json: Json = False,
) -> None:
    """Print what happened to a message, and what to do: by its id, or the newest messages to a number.

    A search by number needs the policy action otpconv:FindMessages. The audit trail records it, without the
    number.

    Examples:
        otpconv message 1008030300000003

        otpconv message --number +34600000001
    """
    if (message_id is None) == (number is None):
        raise Misconfigured("give a MESSAGE_ID or --number NUMBER, and not both")
    if number is None:
        answer = client.call("GET", f"/v1/messages/{quote(message_id or '', safe='')}")
        messages = [answer]
    else:
        answer = client.call("POST", "/v1/messages/search", body={"to": number})
        messages = answer["messages"]
    if json:
        typer.echo(as_json(answer))
        return
    if not messages:
        typer.echo("no message to this number was reported")
    for index, each in enumerate(messages):
        typer.echo(("\n" if index else "") + visible(_text(each)))
    if number is not None and answer["more"]:
        typer.echo(f"\nonly the newest {len(messages)} messages are shown")


def _text(fields: Mapping[str, Any]) -> str:
    head = f"{fields['message_id']}: {fields['status']}"
    return "\n".join([head, *(f"  {sentence}" for sentence in fields["story"]), f"  -> {fields['advice']}"])
