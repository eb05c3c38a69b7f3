"""`otpconv demo`."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import Struct
from rich.table import Table

from otpconv.cli.characters import as_json
from otpconv.cli.client import Client
from otpconv.cli.local_server import LocalServer
from otpconv.cli.options import Json
from otpconv.cli.terminal import output, progress
from otpconv.clock import wall_clock

if TYPE_CHECKING:
    from otpconv.cli.demo.traffic import Day, TrueCounts

_CONNECTIONS = 8
#: How long all that is acknowledged may take to be counted, s.
_COUNTED_WITHIN_S = 10.0
#: Whatever is set here for real servers, this one takes everything and listens on this machine alone.
_SETTINGS = {"OTPCONV_HOST": "127.0.0.1", "OTPCONV_STRICT": "false"}


class Comparison(Struct):
    """What the server answers beside the truth.

    Attributes:
        requested: messages, as the server counts.
        verified: of these, as the server counts.
        rate: the server's conversion rate.
        true_requested: messages that were sent.
        true_verified: of these, those with a conversion.
    """

    requested: int
    verified: int
    rate: float | None
    true_requested: int
    true_verified: int

    @property
    def equal(self) -> bool:
        """Whether the server is right."""
        return (self.requested, self.verified) == (self.true_requested, self.true_verified)


class RouteComparison(Comparison, kw_only=True):
    """The same of one country and provider."""

    country: str
    provider: str


class Answer(Struct):
    """All that the demo finds; the half days are of the broken route alone.

    Attributes:
        equal: whether the server is right in everything.
        start: when the day began, ms.
        noon: when the broken route broke, ms.
        end: when the day ended, ms.
        messages: messages sent, each counted once.
        calls: signed calls made, repeats included.
        unmatched: conversions that found no message.
        broken_country: of the route that fails.
        broken_provider: of the same.
        before_noon: that route's first half of the day.
        after_noon: its second half.
        rows: by country and provider.
    """

    equal: bool
    start: int
    noon: int
    end: int
    messages: int
    calls: int
    unmatched: int
    broken_country: str
    broken_provider: str
    before_noon: Comparison
    after_noon: Comparison
    rows: list[RouteComparison]


def demo(
    serve: Annotated[bool, typer.Option("--serve", help="Run a server with two weeks of traffic.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare a server's rates with true ones.")] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="With --serve: port; 0 chooses a free one.")
    ] = 0,
    open_browser: Annotated[
        bool, typer.Option("--open", help="With --serve: open the dashboard in a browser.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the random traffic.")] = 1,
    messages: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="With --check: number of messages.")
    ] = 10_000,
    json: Json = False,
) -> None:
    """Show otpconv with invented traffic on a temporary server, or check that it counts right.

    With --serve, starts a server with two weeks of traffic, prints a link that signs you in, and goes on
    sending messages until Ctrl-C. One route has been failing for an hour, one application is silent, and one
    number range looks like fraud.

    With --check, sends a day of traffic and compares the server's rates with the true ones, which it counts
    itself, without otpconv. It sends messages to valid numbers of several countries and carriers, by several
    providers, in batches; and conversions as signed SmsConversion calls, byte for byte like the official
    Python SDK. There are resends, repeats, conversions that come before their message, conversions by number
    alone, and some with delivered=false. From noon on, one provider fails in one country.

    The check exits with 1 if the server's rates differ from the true ones. Both remove their files.

    Examples:
        otpconv demo --serve --open

        otpconv demo --check --seed 7 --messages 50000 --json
    """
    if serve == check:
        raise typer.BadParameter(
            "choose --serve, to look at a dashboard, or --check, to test this installation"
        )
    if serve:
        from otpconv.cli.demo.serve import serve_demo

        serve_demo(seed, port, open_browser=open_browser, json=json)
    else:
        _check(seed, messages, json=json)


def _check(seed: int, messages: int, *, json: bool) -> None:
    # The server's libraries are not there in a client's installation.
    from otpconv.cli.demo.traffic import day

    made_up = day(seed, messages, wall_clock())
    with (
        tempfile.TemporaryDirectory(prefix="otpconv-demo-") as folder,
        LocalServer(Path(folder) / "data", _SETTINGS) as server,
    ):
        client = Client(server.url, server.access_key_id, server.access_key_secret)
        began = time.perf_counter()
        calls = _play(client, made_up)
        seconds = time.perf_counter() - began
        found = _settled(client, made_up, calls)
    if json:
        typer.echo(as_json(found))
    else:
        _show(found, seconds)
    if not found.equal:
        raise typer.Exit(1)


def _play(client: Client, made_up: "Day") -> int:
    """Send the whole day and return how many signed calls it took."""
    import uvloop

    total = sum(len(batch.early) + len(batch.messages) + len(batch.late) for batch in made_up.batches)
    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        progress("playing a day of traffic", total) as show,
    ):
        return runner.run(_send(client, made_up, show))


async def _send(client: Client, made_up: "Day", show: Callable[[int], None]) -> int:
    from otpconv.cli.calls import Connections, Signer

    sign = Signer(client.endpoint, client.access_key_id, client.access_key_secret)
    done = calls = 0
    async with Connections(client.endpoint, _CONNECTIONS) as connections:

        def answered(_: float) -> None:
            nonlocal calls
            calls += 1

        for batch in made_up.batches:
            await connections.send((sign(told.parameters()) for told in batch.early), answered)
            client.call("POST", "/v1/messages", body={"messages": batch.messages})
            await connections.send((sign(told.parameters()) for told in batch.late), answered)
            done += len(batch.messages)
            show(done + calls)
    return calls


def _settled(client: Client, made_up: "Day", calls: int) -> Answer:
    """Return the answer as soon as it is the true one, else what it is after a while."""
    deadline = time.monotonic() + _COUNTED_WITHIN_S
    while not (found := _answer(client, made_up, calls)).equal and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _answer(client: Client, made_up: "Day", calls: int) -> Answer:
    whole = _rates(client, made_up.start, made_up.end, by="country,provider")
    counted = {(row["country"], row["provider"]): row for row in whole["rows"]}
    rows = []
    for route in sorted({*counted, *made_up.truth}, key=str):
        fields = _beside(counted.get(route), made_up.truth.get(route))
        rows.append(RouteComparison(*fields, country=str(route[0]), provider=str(route[1])))
    country, provider = made_up.broken
    halves = []
    for start, end, true in (
        (made_up.start, made_up.noon, made_up.before),
        (made_up.noon, made_up.end, made_up.after),
    ):
        (row,) = _rates(client, start, end, country=country, provider=provider)["rows"]
        halves.append(Comparison(*_beside(row, true)))
    return Answer(
        equal=all(each.equal for each in (*rows, *halves)) and not whole["unmatched"],
        start=made_up.start,
        noon=made_up.noon,
        end=made_up.end,
        messages=sum(counts.requested for counts in made_up.truth.values()),
        calls=calls,
        unmatched=whole["unmatched"],
        broken_country=country,
        broken_provider=provider,
        before_noon=halves[0],
        after_noon=halves[1],
        rows=rows,
    )


def _rates(client: Client, start: int, end: int, **params: str) -> Any:  # noqa: ANN401 - JSON is anything
    return client.call("GET", "/v1/rates", params={"start": str(start), "end": str(end), **params})


def _beside(row: dict[str, Any] | None, truth: "TrueCounts | None") -> Iterator[Any]:
    counted = row or {"requested": 0, "verified": 0, "rate": None}
    yield from (counted["requested"], counted["verified"], counted["rate"])
    yield from (0, 0) if truth is None else (truth.requested, truth.verified)


def _show(found: Answer, seconds: float) -> None:
    table = Table(title=f"The day from {_iso(found.start)} to {_iso(found.end)} UTC", title_justify="left")
    for name in ("country", "provider"):
        table.add_column(name)
    for name in ("requested", "verified", "rate", "true requested", "true verified"):
        table.add_column(name, justify="right")
    table.add_column("equal")
    for row in found.rows:
        table.add_row(row.country, row.provider, *_cells(row))
    broken = f"{found.broken_provider} in {found.broken_country}"
    halves = Table(title=f"{broken}, which fails from {_iso(found.noon)} UTC on", title_justify="left")
    halves.add_column("the day's noon")
    for name in ("requested", "verified", "rate", "true requested", "true verified"):
        halves.add_column(name, justify="right")
    halves.add_column("equal")
    halves.add_row("before", *_cells(found.before_noon))
    halves.add_row("after", *_cells(found.after_noon))
    console = output()
    console.print(table)
    console.print(halves)
    console.print(
        f"{found.messages:,} messages and {found.calls:,} signed calls in {seconds:.1f} s,"
        f" {found.unmatched} unmatched"
    )
    verdict = "equal the truth, all of them" if found.equal else "do NOT equal the truth"
    console.print(f"otpconv's rates {verdict}")


def _cells(row: Comparison) -> list[str]:
    rate = "-" if row.rate is None else f"{row.rate:.1%}"
    counts = [f"{count:,}" for count in (row.requested, row.verified, row.true_requested, row.true_verified)]
    return [*counts[:2], rate, *counts[2:], "yes" if row.equal else "NO"]


def _iso(time_: int) -> str:
    return datetime.fromtimestamp(time_ / 1000, UTC).strftime("%Y-%m-%d %H:%M")
