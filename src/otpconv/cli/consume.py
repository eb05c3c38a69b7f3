"""`otpconv consume`."""

import asyncio
import logging
import signal
from typing import Annotated

import httpx
import msgspec
import typer

from otpconv.cli.characters import as_json
from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.options import Json
from otpconv.cli.terminal import note, progress
from otpconv.consume.bridge import Bridge, Counts
from otpconv.delivery.brokers.address import parse_address
from otpconv.dialects.native.answers import Recorded
from otpconv.dialects.native.reports import NDJSON
from otpconv.errors import Refused, Throttled

_DEFAULT_REDELIVER_S = 60.0
_LEAST_REDELIVER_S = 0.1
_COME_AGAIN = {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE}

_Url = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        envvar="OTPCONV_BROKER",
        help="SCHEME://[USER:PASSWORD@]HOST[:PORT][?stream=NAME]; the stream is otpconv.reports by default.",
    ),
]
_Once = Annotated[
    bool, typer.Option("--once", help="Exit when no message waits, or when the broker or the server is away.")
]
_Redeliver = Annotated[
    float,
    typer.Option(
        "--redeliver-after",
        metavar="SECONDS",
        min=_LEAST_REDELIVER_S,
        help="NATS and Redis: after this time a message that was not acknowledged goes to another consumer.",
    ),
]


@with_client
def consume(
    client: Client,
    url: _Url,
    once: _Once = False,
    redeliver_after: _Redeliver = _DEFAULT_REDELIVER_S,
    json: Json = False,
) -> None:
    """Read reports from a message broker and send them to a server.

    The broker is RabbitMQ (amqp, amqps), NATS JetStream (nats, tls), Redis Streams (redis, rediss) or
    Kafka (kafka, kafkas). The command acknowledges a message after the server has committed its report, so
    none is lost; one that comes twice counts once. Several consumers of a stream share the work. All
    reports go to the account of the access key.

    While the server or the broker is away, messages wait at the broker. Messages that are not reports, and
    reports that the server rejects, go to the stream NAME.rejected with the reason: **including the phone
    numbers in them.**

    Ctrl-C or SIGTERM ends the command after the current batch, with exit code 0. If the URL has a password,
    prefer the variable OTPCONV_BROKER: other users of the machine can see arguments, but not variables.

    Examples:
        otpconv consume amqp://otpconv:secret@rabbit.internal/

        otpconv consume nats://nats.internal:4222?stream=otpconv.reports

        otpconv consume --once --json redis://127.0.0.1:6379/0
    """
    address = parse_address(url)
    # The brokers' libraries log what the bridge says in its own words, or ends with.
    logging.getLogger().addHandler(logging.NullHandler())
    with progress(f"consuming {address.destination}", None) as show, client.http:
        bridge = Bridge(
            address,
            lambda path, items: _post(client, path, items),
            redeliver_ms=round(redeliver_after * 1000),
            once=once,
            note=note,
            show=show,
        )
        asyncio.run(_until_stopped(bridge))
    _summarize(bridge.counts, json=json)


def _summarize(counts: Counts, *, json: bool) -> None:
    if json:
        typer.echo(as_json(counts))
    else:
        note(
            f"{counts.recorded:,} reports recorded, {counts.unchanged:,} known before,"
            f" {counts.rejected:,} rejected"
        )
        if counts.ignored:
            note(f"{counts.ignored:,} phone numbers could not be read: their reports count without them")


async def _until_stopped(bridge: Bridge) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def ask(*_: object) -> None:
        loop.call_soon_threadsafe(stop.set)
        for number in signals:  # the second is not waited for
            signal.signal(number, signal.SIG_DFL)

    before = [signal.signal(number, ask) for number in signals]
    try:
        await bridge.run(stop)
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _post(client: Client, path: str, items: list[bytes]) -> Recorded:
    request = httpx.Request(
        "POST",
        f"{client.endpoint}{path}",
        content=b"\n".join(items),
        headers={"content-type": NDJSON},
    )
    response = client.send(request, (client.access_key_id, client.access_key_secret))
    if response.status_code in _COME_AGAIN:
        asked = response.headers.get("retry-after", "")
        wait_ms = 1000 * int(asked) if asked.isdecimal() else 0
        raise Throttled(f"the server answered HTTP {response.status_code}", wait_ms=wait_ms)
    try:
        return msgspec.convert(client.fields(response), Recorded)
    except msgspec.ValidationError:
        raise Refused(f"{client.endpoint} does not answer like an otpconv server: check --endpoint") from None
