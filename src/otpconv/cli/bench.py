"""`otpconv bench`."""

import asyncio
import statistics
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer
from msgspec import Struct

from otpconv.cli.characters import as_json
from otpconv.cli.client import Client
from otpconv.cli.local_server import LocalServer
from otpconv.cli.options import Json
from otpconv.cli.terminal import note, output, progress
from otpconv.clock import wall_clock
from otpconv.errors import Misconfigured, Refused

#: Calls signed for each second: more than are answered in one.
_A_SECOND = 20_000
_BATCH, _SENDERS = 5_000, 2
_COUNTED_WITHIN_S = 60.0
_DAY_MS = 86_400_000
#: Whatever is set here for real servers, this one listens on this machine alone.
_SETTINGS = {"OTPCONV_HOST": "127.0.0.1", "OTPCONV_STRICT": "false"}
_NOTE = "The load generator runs on the same machine; a server with a machine of its own can take more."


class Figures(Struct):
    """What the machine takes.

    Attributes:
        signed_per_second: SmsConversion calls, acknowledged after the journal's commit.
        signed_p50_ms: how long half of them took at most.
        signed_p99_ms: how long 99 % of them took at most.
        signed_calls: how many there were.
        connections: on how many connections.
        seconds: how long it took.
        native_per_second: messages in native batches, durable when answered.
        native_messages: how many there were.
        counted_after_s: how long after the last answer the rates had all of it.
        note: what to keep in mind.
    """

    signed_per_second: int
    signed_p50_ms: float
    signed_p99_ms: float
    signed_calls: int
    connections: int
    seconds: float
    native_per_second: int
    native_messages: int
    counted_after_s: float
    note: str = _NOTE


def bench(
    seconds: Annotated[int, typer.Option(min=1, max=60, help="How long to send signed calls, s.")] = 5,
    connections: Annotated[int, typer.Option(min=1, max=4096, help="Connections for signed calls.")] = 64,
    disk: Annotated[
        Path | None,
        typer.Option(
            "--disk",
            metavar="DIR",
            help="Measure the disk of this folder; default: the temporary folder.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Measure how many signed calls and native messages per second this machine takes, durable when answered.

    Starts a temporary server in a new folder below --disk, sends it messages in batches, then a different
    signed SmsConversion call for each. Fails if the rates do not count every acknowledged report at the end.
    Removes its files, and does not touch other data in the folder.

    Examples:
        otpconv bench

        otpconv bench --seconds 20 --connections 256 --disk /var/lib --json
    """
    if disk is not None and not disk.is_dir():
        raise Misconfigured(f"--disk {disk} is not a folder: give a folder on the disk to measure")
    with (
        tempfile.TemporaryDirectory(prefix="otpconv-bench-", dir=disk) as folder,
        LocalServer(Path(folder) / "data", _SETTINGS) as server,
    ):
        figures = _measure(server, seconds, connections)
    if json:
        typer.echo(as_json(figures))
    else:
        _show(figures)


def _measure(server: LocalServer, seconds: int, connections: int) -> Figures:
    # The server's libraries are not there in a client's installation.
    import uvloop

    from otpconv.cli.calls import Signer

    count = seconds * _A_SECOND
    now = wall_clock()
    native_s = _send_messages(server, count, now)
    sign = Signer(server.url, server.access_key_id, server.access_key_secret)
    requests = []
    with progress("signing", count) as show:
        for number in range(count):
            parameters = {"ConversionTime": str(now), "Delivered": "True", "MessageId": _id(number)}
            requests.append(sign(parameters))
            if number % 1000 == 0:
                show(number)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        took, lasted_s = runner.run(_call(server.url, requests, seconds, connections))
    waited_s = _wait_until_counted(server, count, len(took), now)
    percentiles = statistics.quantiles(took, n=100, method="inclusive")
    return Figures(
        signed_per_second=round(len(took) / lasted_s),
        signed_p50_ms=round(percentiles[49] * 1000, 2),
        signed_p99_ms=round(percentiles[98] * 1000, 2),
        signed_calls=len(took),
        connections=connections,
        seconds=round(lasted_s, 2),
        native_per_second=round(count / native_s),
        native_messages=count,
        counted_after_s=round(waited_s, 2),
    )


def _id(number: int) -> str:
    return str(1_008_030_300_000_000 + number)


def _send_messages(server: LocalServer, count: int, now: int) -> float:
    """Send messages in batches on two connections and return how long it took, s."""
    key = b64encode(f"{server.access_key_id}:{server.access_key_secret}".encode()).decode()
    headers = {"authorization": f"Basic {key}", "content-type": "application/json"}
    bodies = [
        msgspec.json.encode({"messages": [_message(number, now) for number in range(first, first + _BATCH)]})
        for first in range(0, count, _BATCH)
    ]

    def send(part: list[bytes]) -> None:
        with httpx.Client(base_url=server.url, headers=headers, timeout=60) as http:
            for body in part:
                answer = http.post("/v1/messages", content=body)
                if not answer.is_success:
                    raise Refused(
                        f"the server refused a batch with HTTP {answer.status_code}: check the free space of"
                        " the disk, or give another folder with --disk"
                    )

    started = time.perf_counter()
    with ThreadPoolExecutor(_SENDERS) as pool:
        list(pool.map(send, (bodies[sender::_SENDERS] for sender in range(_SENDERS))))
    return time.perf_counter() - started


def _message(number: int, now: int) -> dict[str, object]:
    """Return one of the last 23 hours."""
    return {
        "message_id": _id(number),
        "requested_at": now - 82_800_000 + number % 80_000_000,
        "country": ("DE", "IN", "BR")[number % 3],
        "provider": f"provider {number % 5}",
        "template": "login",
    }


async def _call(url: str, requests: list[bytes], seconds: int, connections: int) -> tuple[list[float], float]:
    """Send requests for some seconds; return how long each took and all of them together, s."""
    from otpconv.cli.calls import Connections

    took: list[float] = []
    async with Connections(url, connections) as opened:
        started = time.perf_counter()

        def until_the_end() -> Iterator[bytes]:
            for request in requests:
                if time.perf_counter() - started > seconds:
                    return
                yield request

        await opened.send(until_the_end(), took.append)
        return took, time.perf_counter() - started


def _wait_until_counted(server: LocalServer, messages: int, conversions: int, now: int) -> float:
    """Return how long it takes until the rates have everything, s.

    Raises:
        Refused: they have not, after a long while.
    """
    client = Client(server.url, server.access_key_id, server.access_key_secret)
    window = {"start": str(now - _DAY_MS), "end": str(now)}
    started = time.monotonic()
    while True:
        (row,) = client.call("GET", "/v1/rates", params=window)["rows"]
        waited_s = time.monotonic() - started
        if (row["requested"], row["verified"]) == (messages, conversions):
            return waited_s
        if waited_s > _COUNTED_WITHIN_S:
            raise Refused(
                f"after {_COUNTED_WITHIN_S:.0f} s the rates count {row['requested']} of {messages} messages"
                f" and {row['verified']} of {conversions} conversions, although all were acknowledged. Try a"
                " faster disk with --disk. If it happens again, report it as a fault of otpconv"
            )
        time.sleep(0.02)


def _show(figures: Figures) -> None:
    console = output()
    console.print(
        f"signed SmsConversion calls: {figures.signed_per_second:,}/s acknowledged,"
        f" p50 {figures.signed_p50_ms} ms, p99 {figures.signed_p99_ms} ms"
        f" ({figures.signed_calls:,} on {figures.connections} connections in {figures.seconds} s)"
    )
    console.print(
        f"native batches of {_BATCH:,}: {figures.native_per_second:,} messages/s durable"
        f" ({figures.native_messages:,} on {_SENDERS} connections)"
    )
    console.print(f"all of it was in the rates {figures.counted_after_s} s after the last answer")
    note(figures.note)
