"""`otpconv prices`: what messages cost whose own price nobody reported."""

import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer

from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.manual import add
from otpconv.cli.options import Json, Tz
from otpconv.cli.telling import tell, tell_rows
from otpconv.cli.zone import zone_of, zoned
from otpconv.clock import wall_clock
from otpconv.errors import InvalidRequest, Misconfigured
from otpconv.money import parse_currency, parse_price
from otpconv.times import parse_time

app = typer.Typer(no_args_is_help=True, help="Import, list and delete prices of messages.")

_PATH: Final = "/v1/prices"
#: The columns of a file; those without a price may be missing.
COLUMNS: Final = ("provider", "country", "channel", "price", "currency", "from")
#: Bytes of a file that are read.
_MAX_BYTES: Final = 4 * 1024 * 1024
_Provider = Annotated[str | None, typer.Option(metavar="NAME", help="Those of this provider.")]
_Country = Annotated[str | None, typer.Option(metavar="CODE", help="Those of this country, e.g. DE.")]
_Channel = Annotated[str | None, typer.Option(metavar="NAME", help="Those of this channel, e.g. sms.")]
_From = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Those that hold from this time on.")
]


@with_client
def import_prices(
    client: Client,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file; - is the standard input.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove all prices that the file does not have.")
    ] = False,
    tz: Tz = None,
    json: Json = False,
) -> None:
    """Add the prices of a CSV file to the price list, all of them or none.

    The file has a header with the columns provider, country, channel, price, currency and from. An empty
    provider, country or channel means any, and an empty from means always. Prices that the list has for the
    same provider, country, channel and time are replaced. Needs the action `otpconv:ManagePrices`.

    Examples:
        otpconv prices import prices.csv

        otpconv prices import prices.csv --replace --tz Europe/Berlin
    """
    zone = zone_of(tz)
    prices = _prices(_lines(file), zone)
    changed = client.call("POST", _PATH, body={"prices": prices, "replace": replace})
    tell(_said(changed), changed, json=json)


@with_client
def list_prices(
    client: Client,
    tz: Tz = None,
    json: Json = False,
) -> None:
    """List the prices. Needs the action `otpconv:GetPrices`.

    Examples:
        otpconv prices list
    """
    zone = zone_of(tz)
    prices = client.call("GET", _PATH)["prices"]
    if json:
        tell_rows((), prices, json=True)
        return
    for price in prices:
        price["from"] = "always" if price["from"] is None else zoned(price["from"], zone)
        for name in ("provider", "country", "channel"):
            price[name] = price[name] or "any"
    tell_rows(COLUMNS, prices, json=False)


@with_client
def delete(
    client: Client,
    provider: _Provider = None,
    country: _Country = None,
    channel: _Channel = None,
    since: _From = None,
    every: Annotated[bool, typer.Option("--all", help="All prices.")] = False,
    tz: Tz = None,
    json: Json = False,
) -> None:
    """Delete the prices that all options choose; an empty text chooses those for any.

    Needs the action `otpconv:ManagePrices`.

    Examples:
        otpconv prices delete --provider acme --country DE

        otpconv prices delete --all
    """
    given = {"provider": provider, "country": country, "channel": channel, "from": since}
    chosen = {name: value for name, value in given.items() if value is not None}
    if every == bool(chosen):
        raise Misconfigured("choose the prices to delete by options, or all of them by --all")
    if since:
        chosen["from"] = str(parse_time(since, "--from", now=wall_clock(), tz=zone_of(tz)))
    changed = client.call("DELETE", _PATH, params={"all": "true"} if every else chosen)
    tell(_said(changed), changed, json=json)


add(app, "import", import_prices)
add(app, "list", list_prices)
add(app, "delete", delete)


def _said(changed: dict[str, int]) -> str:
    return (
        f"{changed['added']:,} prices added, {changed['replaced']:,} replaced,"
        f" {changed['removed']:,} removed, {changed['prices']:,} in the list"
    )


def _lines(file: Path) -> list[str]:
    """Return the lines of a file, with their ends."""
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{file} can't be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > _MAX_BYTES:
        raise Misconfigured(f"{file} has over {_MAX_BYTES // 1024**2} MiB: a price list is shorter")
    return text.splitlines(keepends=True)


def _prices(lines: Iterable[str], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return the prices of a CSV file as the native API takes them.

    Raises:
        Misconfigured: a line is not a price; the text has its number.
    """
    reader = csv.DictReader(lines, restkey="", restval="", strict=True)
    try:
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        if unknown := set(names) - set(COLUMNS):
            raise Misconfigured(f"unknown column {min(unknown)!r}: the columns are {', '.join(COLUMNS)}")
        if missing := {"price", "currency"} - set(names):
            raise Misconfigured(f"no column {min(missing)}: the columns are {', '.join(COLUMNS)}")
        return [_price(row, zone) for row in reader]
    except (csv.Error, ValueError, InvalidRequest) as error:
        raise Misconfigured(f"line {reader.line_num}: {error}") from None


def _price(row: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Return a row as the native API takes it.

    Raises:
        InvalidRequest: the time is malformed.
        ValueError: something else is.
    """
    if "" in row:
        raise ValueError("it has more cells than the header")
    cells = {name: value.strip() for name, value in row.items()}
    parse_price(cells["price"])
    since = cells.get("from")
    return {
        "provider": cells.get("provider", ""),
        "country": cells.get("country") or None,
        "channel": cells.get("channel", ""),
        "price": cells["price"],
        "currency": parse_currency(cells["currency"]),
        "from": parse_time(since, "from", now=wall_clock(), tz=zone) if since else None,
    }
