"""`otpconv import`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from msgspec import Struct

from otpconv.cli.characters import as_json
from otpconv.cli.client import Client
from otpconv.cli.importing import spreadsheet
from otpconv.cli.importing.checkpoint import Checkpoint, Progress, fingerprint
from otpconv.cli.importing.columns import listed
from otpconv.cli.importing.options import assignments, filters, status_words
from otpconv.cli.importing.records import Reader
from otpconv.cli.importing.run import Format, Import, Rejects, Table
from otpconv.cli.importing.sender import Sender
from otpconv.cli.importing.source import opened, size
from otpconv.cli.importing.times import Survey, Times
from otpconv.cli.options import (
    DEFAULT_ENDPOINT,
    DEFAULT_KEY_FILE,
    AccessKeyId,
    AccessKeySecret,
    Endpoint,
    Json,
    KeyFile,
    Region,
    Tz,
)
from otpconv.cli.terminal import note, progress
from otpconv.cli.zone import name_of_zone
from otpconv.errors import Misconfigured, Unavailable

_File = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV or NDJSON, plain or gzip; - reads standard input.")
]
_Format = Annotated[
    Format | None, typer.Option("--format", help="Default: by the first character.", show_default=False)
]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set a field of every row to a value; repeatable."),
]
_Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="NAME=COLUMN", help="Read a field from this column; repeatable."),
]
_Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="COLUMN=VALUE",
        help="Import only matching rows. Repeatable: several values of one column are alternatives.",
    ),
]
_True = Annotated[
    list[str] | None,
    typer.Option("--true", metavar="WORD", help="A word that means delivered=true; repeatable."),
]
_False = Annotated[
    list[str] | None,
    typer.Option("--false", metavar="WORD", help="A word that means delivered=false; repeatable."),
]
_TimeFormat = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT", help='Format of times, as for strptime, e.g. "%d/%m/%Y %H:%M".', show_default=False
    ),
]
_Delimiter = Annotated[
    str | None,
    typer.Option(
        metavar="CHAR",
        help="Character between columns. Default: the best of , ; | and tab.",
        show_default=False,
    ),
]
_Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Encoding, e.g. gb18030, cp1252. Default: by the byte order mark, else UTF-8.",
        show_default=False,
    ),
]
_RejectsPath = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="File for rejected rows. Default: FILE.rejects.ndjson.", show_default=False
    ),
]
_MAP_FORM = "NAME=COLUMN, e.g. requested_at=sent_at"
_Restart = Annotated[bool, typer.Option("--restart", help="Start again at the first row.")]


def import_file(
    file: _File,
    format_: _Format = None,
    set_: _Set = None,
    map_: _Map = None,
    only: _Only = None,
    true: _True = None,
    false: _False = None,
    tz: Tz = None,
    time_format: _TimeFormat = None,
    delimiter: _Delimiter = None,
    encoding: _Encoding = None,
    rejects: _RejectsPath = None,
    region: Region = "",
    restart: _Restart = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    access_key_id: AccessKeyId = None,
    access_key_secret: AccessKeySecret = None,
    key_file: KeyFile = DEFAULT_KEY_FILE,
    json: Json = False,
) -> None:
    """Send a file of messages and conversions to a server.

    A row holds any of message_id, requested_at, to, country, carrier, provider, template, sender, channel,
    session_id, attempt, delivered, conversion_time, under these names, well-known ones of vendors, or those
    of `--map`. With `delivered` (true or false) it is a conversion, with requested_at or any field of a
    message it is a message; it may be both. `--set` replaces what a row says; it makes no message of a row
    that is only a conversion, and `--set delivered=true` needs a conversion_time in the row.
    A conversion without conversion_time has an unknown time: it counts in rates and in no time to verify.

    Rejected rows go to FILE.rejects.ndjson with the reason, and **with the phone numbers in them.** After an
    interruption, the same command continues where it was (FILE.progress); repeats are harmless.

    Examples:
        otpconv import vendor.csv --map requested_at=sent_at --map to=msisdn --set provider=acme

        otpconv import twilio.csv --only Direction=outbound-api --tz America/New_York

        jq -c .row vendor.csv.rejects.ndjson | otpconv import -
    """
    tz = name_of_zone(tz)
    table = Table(format_, encoding, _one_character(delimiter), assignments(map_ or [], "--map", _MAP_FORM))
    reader = _reader(table, Times(tz, time_format, _survey(file, table)), set_, only, true, false, region)
    client = Client(endpoint, access_key_id, access_key_secret, key_file)
    run = _Run(file, table, rejects or _beside(file, ".rejects.ndjson"))
    options = (run, set_, only, true, false, tz, time_format, region, client.endpoint, client.access_key_id)
    done = _import(run, reader, client, options, restart=restart)
    _summarize(run, reader, done, json=json)
    if done.rejected:
        raise typer.Exit(1)


class _Run(Struct):
    """Which file, how it is read, and where its rejected rows go."""

    file: Path
    table: Table
    rejects: Path


def _import(run: _Run, reader: Reader, client: Client, options: object, *, restart: bool) -> Progress:
    with opened(run.file) as stream:
        checkpoint = Checkpoint(_beside(run.file, ".progress") if stream.seekable() else None)
        done = _begin(stream, checkpoint, options, restart=restart)
        with Rejects(run.rejects, done.rejects_bytes) as rejects:
            running = Import(Sender(client), reader, rejects, checkpoint, done)
            with _going_on(done, stream), progress(f"importing {run.file}", size(stream)) as show:
                running.run(
                    stream, run.table, lambda: show(stream.tell() if stream.seekable() else done.rows)
                )
    checkpoint.remove()
    return done


def _reader(
    table: Table,
    times: Times,
    set_: list[str] | None,
    only: list[str] | None,
    true: list[str] | None,
    false: list[str] | None,
    region: str,
) -> Reader:
    constants = assignments(set_ or [], "--set", "NAME=VALUE, e.g. provider=acme")
    words = status_words(true or [], false or [])
    return Reader(times, table.renamed, constants, words, filters(only or []), region)


def _survey(file: Path, table: Table) -> Survey | None:
    """Return what reads a file once more; None for standard input."""
    return None if file == Path("-") else lambda: _rows(file, table)


def _rows(file: Path, table: Table) -> Iterator[Mapping[str, object]]:
    """Return the rows of a file from its beginning that can be read."""
    with opened(file) as stream:
        for row in table.open(stream)[2]:
            if isinstance(row.original, dict) and row.problem is None:
                yield row.original


def _one_character(delimiter: str | None) -> str | None:
    found = "\t" if delimiter in {"\\t", "tab"} else delimiter
    if found is not None and (len(found) != 1 or found in '"\r\n'):
        raise Misconfigured(f"--delimiter {delimiter!r} is not one character; use e.g. ';' or tab")
    return found


def _beside(file: Path, suffix: str) -> Path:
    named = Path("stdin") if file == Path("-") else file
    return named.with_name(f"{named.name}{suffix}")


def _begin(stream: BinaryIO, checkpoint: Checkpoint, options: object, *, restart: bool) -> Progress:
    """Return the progress of an interrupted run over the same file, or a new one."""
    if not stream.seekable():
        return Progress("")
    source = fingerprint(stream, options)
    found = None if restart else checkpoint.load()
    if found is None:
        return Progress(source)
    if found.source != source:
        note("the file or the options differ from the interrupted run: starting with the first row")
        return Progress(source)
    note(f"continuing after line {found.line:,}; --restart begins at the first row")
    return found


@contextmanager
def _going_on(done: Progress, stream: BinaryIO) -> Iterator[None]:
    """Say how to continue after an interruption."""

    def how() -> str:
        if not stream.seekable():
            return "run the same command again: repeats are harmless"
        return f"run the same command again to continue after line {done.line:,}"

    try:
        yield
    except KeyboardInterrupt:
        note(f"interrupted; {how()}")
        raise
    except Unavailable as error:
        raise Unavailable(f"{error.text} ({how()})") from error


def _summarize(run: _Run, reader: Reader, done: Progress, *, json: bool) -> None:
    notes = _notes(done)
    summary = {
        "rows": done.rows,
        "left_out": done.left_out,
        "recorded": done.recorded,
        "unchanged": done.unchanged,
        "rejected": done.rejected,
        "ignored": done.ignored,
        "rejects": str(run.rejects) if done.rejected else None,
        "first_reject": done.first_reject or None,
        "repaired": sum(done.notes[text].count for text in spreadsheet.REPAIRS if text in done.notes),
        "columns": reader.mapped,
        "notes": notes,
    }
    if reader.mapped:
        note("columns: " + ", ".join(f"{name} is {column!r}" for name, column in reader.mapped.items()))
    if reader.ignored:
        note(f"columns left out: {listed(reader.ignored)}")
    for text in notes:
        note(text)
    if done.first_reject:
        note(f"the first rejected row: {done.first_reject}")
    if json:
        typer.echo(as_json(summary))
    else:
        where = f" (see {run.rejects})" if done.rejected else ""
        left_out = f", {done.left_out:,} left out by --only" if done.left_out else ""
        typer.echo(
            f"{done.rows:,} rows: {done.recorded:,} reports recorded, {done.unchanged:,} known before,"
            f" {done.rejected:,} rejected{where}{left_out}"
        )
        if done.ignored:
            typer.echo(f"{done.ignored:,} phone numbers could not be read: their reports count without them")


def _notes(done: Progress) -> list[str]:
    """Return the assumptions and repairs, one per line."""
    notes = dict(done.notes)
    long, rounded = (notes.pop(text, None) for text in (spreadsheet.LONG_ID, spreadsheet.ROUNDED))
    found = [
        f"line {seen.line:,}: {text}" + (f" (and {seen.count - 1:,} more)" if seen.count > 1 else "")
        for text, seen in notes.items()
    ]
    if rounded is not None and long is not None and rounded.count == long.count:
        found.append(
            f"all {rounded.count:,} message ids with more than 15 digits end in zeros: a spreadsheet rounded"
            " them, so different messages may have become one. Import the vendor's own file, not a saved copy"
        )
    return found
