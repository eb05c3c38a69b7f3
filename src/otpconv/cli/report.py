"""`otpconv report`."""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import httpx
import msgspec
import typer

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
from otpconv.clock import wall_clock
from otpconv.dialects.alibaba import sign_v3
from otpconv.errors import Refused


def report(
    message_id: Annotated[str | None, typer.Argument(help="The message; or give --to.")] = None,
    delivered: Annotated[
        bool, typer.Option("--delivered/--not-delivered", help="Whether the user typed the code back.")
    ] = True,
    conversion_time: Annotated[
        str | None, typer.Option(help="When, as ISO 8601 or in milliseconds since 1970; default: now.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="The recipient's number, when the id is not known.")] = None,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    access_key_id: AccessKeyId = None,
    access_key_secret: AccessKeySecret = None,
    key_file: KeyFile = DEFAULT_KEY_FILE,
    json: Json = False,
) -> None:
    """Report one conversion by a signed SmsConversion call, as the official SDKs make it.

    Examples:
        otpconv report 1008030300

        otpconv report --to +4915112345678 --not-delivered
    """
    # Only this command's users pay for what a calendar takes to load.
    from otpconv.rates.question import parse_time

    client = Client(endpoint, access_key_id, access_key_secret, key_file)
    parameters = {"Delivered": "true" if delivered else "false"}
    time = None if conversion_time is None else parse_time(conversion_time, "--conversion-time")
    optional = {"MessageId": message_id, "To": to, "ConversionTime": time}
    parameters |= {name: str(value) for name, value in optional.items() if value is not None}
    answer: dict[str, str] = _call(client, "SmsConversion", parameters)
    if answer.get("ResponseCode") != "OK":
        raise Refused(f"{answer.get('ResponseCode')}: {answer.get('ResponseDescription')}")
    typer.echo(msgspec.json.encode(answer).decode() if json else "OK")


def _call(client: Client, action: str, parameters: dict[str, str]) -> Any:  # noqa: ANN401 - JSON is anything
    """Make a signed call (V3) with its parameters in the query, and return the answer's fields."""
    url = httpx.URL(client.endpoint)
    headers = sign_v3(
        "POST",
        parameters,
        {
            "host": url.netloc.decode(),
            "x-acs-action": action,
            "x-acs-version": "2018-05-01",
            "x-acs-date": datetime.fromtimestamp(wall_clock() // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": uuid.uuid4().hex,
        },
        b"",
        access_key_id=client.access_key_id,
        secret=client.access_key_secret,
    )
    response = client.send(
        httpx.Request("POST", f"{client.endpoint}/?{urlencode(parameters)}", headers=headers)
    )
    return client.fields(response)
