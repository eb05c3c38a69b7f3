"""`otpconv export`."""

import codecs
import csv
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import msgspec
import typer

from otpconv.cli.export_parquet import ParquetMessages, vendor_message_id
from otpconv.cli.files import new_file
from otpconv.cli.importing.columns import COLUMNS
from otpconv.cli.options import Account, Data, Json
from otpconv.cli.terminal import note, progress
from otpconv.csv_cells import escaped
from otpconv.money import decimal_text
from otpconv.storage.contract import Message

Format = Literal["csv", "ndjson", "parquet"]
#: A number is not stored, so it can't be exported.
EXPORTED = tuple(name for name in COLUMNS if name != "to")
_SHOWN_EVERY = 10_000
_SUFFIXES: dict[str, Format] = {".csv": "csv", ".parquet": "parquet"}

_Row = dict[str, str | int | bool]
_Format = Annotated[
    Format | None,
    typer.Option(
        "--format",
        help="Default: by the suffix of --output (.csv, .parquet), else ndjson.",
        show_default=False,
    ),
]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: standard output.")
]


def export(
    account: Account = "default",
    format_: _Format = None,
    output: _Output = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Write all messages of an account to a file: CSV or NDJSON to import, or Parquet to analyze.

    CSV and NDJSON have the format that `otpconv import` reads. Imported into an empty server they give the
    same rates and the same verified messages. A message with several conversions has additional rows with
    message_id, delivered and conversion_time. Not exported are:

    - phone numbers, because they are not stored; a conversion by number alone becomes a conversion of its
      message, and is left out if it has none;
    - delivery receipts, except the price;
    - conversions that are not later than their message, because they do not count;
    - the access key: an imported message gets the key that imports it.

    A Parquet file is for analysis, and can't be imported. It has one row for each message, with all
    dimensions, timestamps, and `seconds_to_verify` as a decimal. Writing it needs no further library.

    Reads the data folder, also while a server runs. `--json` prints the summary as JSON: to standard output
    if --output is given, otherwise to standard error.

    Examples:
        otpconv export --output messages.csv

        otpconv export --output messages.parquet

        otpconv export --data /var/lib/otpconv --account shop | gzip > shop.ndjson.gz
    """
    # The server's libraries are not there in a client's installation.
    from otpconv.config import load
    from otpconv.service.opening import open_key_store, open_ledger

    settings = load(data=data)
    ledger, lag = open_ledger(settings)
    if lag > 0:
        note(f"{lag:,} acknowledged reports are not in the ledger yet; a running server applies them")
    keys = open_key_store(settings)
    messages = ledger.messages(keys.account(account))
    keys.close()
    with _target(output) as stream, progress("exporting", None) as show:
        summary = _write(messages, stream, format_ or _kind(output), show)
    ledger.close()
    line = msgspec.json.encode(summary).decode()
    if not json:
        line = f"{summary['messages']:,} messages in {summary['rows']:,} rows"
    print(line, file=sys.stderr if output is None else sys.stdout)


def rows(message: Message) -> list[_Row]:
    """Return what an import needs to come to the same message."""
    state = message.state
    of = state.requested
    after = -1 if of is None else of.requested_at
    times = (state.true_first, state.true_last, state.arrived_at, message.verified_at)
    valid = sorted({time for time in times if time is not None and time > after})
    # What lies between the first and the last says nothing more.
    conversions: list[_Row] = [
        {"delivered": True, "conversion_time": time} for time in dict.fromkeys((*valid[:1], *valid[-1:]))
    ]
    if state.false_last is not None and state.false_last > after:
        conversions.append({"delivered": False, "conversion_time": state.false_last})
    if state.true_unknown is not None or (state.true_arrival is not None and state.arrived_at is None):
        conversions.append({"delivered": True})
    if state.false_unknown is not None:
        conversions.append({"delivered": False})
    first: _Row = {}
    if of is not None:
        first = {"requested_at": of.requested_at, **msgspec.structs.asdict(of.dimensions)}
        first |= {"session_id": of.session_id, "attempt": of.attempt}
        first |= {"vendor_message_id": vendor_message_id(of), **_price(message)}
        # A dimension without a value is exported as absent; an empty channel differs from the default one.
        first = {name: value for name, value in first.items() if value or name == "channel"}
        # The key that imports a message is its access key then.
        first.pop("access_key", None)
        first |= conversions.pop(0) if conversions else {}
    found = [first] if first else []
    return [{"message_id": message.message_id, **row} for row in (*found, *conversions)]


def _price(message: Message) -> _Row:
    """Return the price of a message that was reported."""
    if message.receipt is None or message.receipt.price is None:
        return {}
    return {"price": decimal_text(message.receipt.price), "currency": message.receipt.currency}


def _write(
    messages: Iterator[Message], stream: BinaryIO, kind: Format, show: Callable[[int], None]
) -> dict[str, int]:
    parquet = ParquetMessages(stream) if kind == "parquet" else None
    write = parquet.write if parquet else _importable(stream, kind)
    count = written = 0
    for count, message in enumerate(messages, start=1):
        written += write(message)
        if count % _SHOWN_EVERY == 0:
            show(count)
    if parquet:
        parquet.close()
    return {"messages": count, "rows": written}


def _importable(stream: BinaryIO, kind: Format) -> Callable[[Message], int]:
    """Return a function that writes the rows of a message which `otpconv import` reads, and counts them."""
    write = _csv_writer(stream) if kind == "csv" else _ndjson_writer(stream)

    def write_rows(message: Message) -> int:
        of_message = rows(message)
        for row in of_message:
            write(row)
        return len(of_message)

    return write_rows


def _ndjson_writer(stream: BinaryIO) -> Callable[[_Row], object]:
    return lambda row: stream.write(msgspec.json.encode(row) + b"\n")


def _csv_writer(stream: BinaryIO) -> Callable[[_Row], object]:
    # Not a TextIOWrapper: it closes the stream when it is collected, and hides that the last write failed.
    writer = csv.DictWriter(codecs.getwriter("utf-8")(stream), EXPORTED, lineterminator="\n")
    writer.writeheader()

    def write(row: _Row) -> None:
        flag = {"delivered": "true" if row["delivered"] else "false"} if "delivered" in row else {}
        texts = {name: escaped(value) for name, value in row.items() if isinstance(value, str)}
        writer.writerow({**row, **texts, **flag})

    return write


def _kind(output: Path | None) -> Format:
    suffix = "" if output is None else output.suffix.lower()
    return _SUFFIXES.get(suffix, "ndjson")


@contextmanager
def _target(output: Path | None) -> Iterator[BinaryIO]:
    """Give the file to write, or standard output."""
    if output is None:
        with open(os.dup(sys.stdout.fileno()), "wb") as stream:  # noqa: PTH123 - a descriptor has no path
            yield stream
        return
    with new_file(output, "--output") as stream:
        yield stream
