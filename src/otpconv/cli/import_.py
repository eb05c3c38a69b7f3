"""`otpconv import`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from msgspec import Struct

from otpconv.cli.characters import as_json
from otpconv.cli.checkpoint import Checkpoint, Progress, fingerprint
from otpconv.cli.client import Client
from otpconv.cli.importing import Format, Import, Rejects
from otpconv.cli.options import (
    DEFAULT_ENDPOINT,
    DEFAULT_KEY_FILE,
    AccessKeyId,
    AccessKeySecret,
    Endpoint,
    Json,
    KeyFile,
    Region,
)
from otpconv.cli.records import Reader, assignments
from otpconv.cli.sender import Sender
from otpconv.cli.terminal import note, progress
from otpconv.errors import Misconfigured, Unavailable

_File = Annotated[Path, typer.Argument(metavar="FILE", help="CSV or NDJSON; - is standard input.")]
_Format = Annotated[
    Format | None, typer.Option("--format", help="Default: by the suffix; .csv is CSV.", show_default=False)
]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="The same value for every row; repeatable."),
]
_Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="NAME=COLUMN", help="Which column is this field; repeatable."),
]
_RejectsPath = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Default: FILE.rejects.ndjson.", show_default=False)
]
_Restart = Annotated[bool, typer.Option("--restart", help="Begin at the first row.")]


def import_file(
    file: _File,
    format_: _Format = None,
    set_: _Set = None,
    map_: _Map = None,
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
    session_id, attempt, delivered, conversion_time; other columns are left out. With `delivered` (true or
    false) it is a conversion, with requested_at or any field of a message it is a message; it may be both.
    Times are milliseconds since 1970 or ISO 8601, UTC where no offset is given; a message without
    requested_at counts as requested now. A conversion without conversion_time has an unknown time:
    it counts in rates and in no time to verify. An empty value in CSV is an absent one. A number that
    can't be read is left out; `--region CN` reads national numbers of China.

    `--set` replaces what a row says. A set field makes no message of a row that is just a conversion, and
    `--set delivered=true` makes conversions of the rows that have a conversion_time.

    What is rejected goes to FILE.rejects.ndjson, each row as it was, with its line and the reason: **with the
    telephone numbers that are in it.** After mending, import its rows again. Interrupted, the same command
    goes on where it was (FILE.progress knows); repeats are harmless in any case.

    Examples:
        otpconv import messages.csv

        otpconv import vendor.csv --map requested_at=sent_at --map to=msisdn --set provider=acme

        jq -c .row vendor.csv.rejects.ndjson | otpconv import - --format ndjson
    """
    renamed = assignments(map_ or [], "--map", "NAME=COLUMN, as requested_at=sent_at")
    constants = assignments(set_ or [], "--set", "NAME=VALUE, as provider=acme")
    reader = Reader(renamed, constants, region)
    client = Client(endpoint, access_key_id, access_key_secret, key_file)
    run = _Run(file, format_ or _kind(file), rejects or _beside(file, ".rejects.ndjson"))
    fields = (sorted(renamed.items()), sorted(constants.items()), region.strip().upper())
    options = (run, *fields, client.endpoint, client.access_key_id)
    done = _import(run, reader, client, options, restart=restart)
    if reader.ignored:
        note(f"left out: {', '.join(list(reader.ignored)[:20])}")
    _summarize(run, done, json=json)
    if done.rejected:
        raise typer.Exit(1)


class _Run(Struct):
    """Which file, as what, and where its rejected rows go."""

    file: Path
    kind: Format
    rejects: Path


def _import(run: _Run, reader: Reader, client: Client, options: object, *, restart: bool) -> Progress:
    with _opened(run.file) as stream:
        checkpoint = Checkpoint(_beside(run.file, ".progress") if stream.seekable() else None)
        done = _begin(stream, checkpoint, options, restart=restart)
        with Rejects(run.rejects, done.rejects_bytes) as rejects:
            running = Import(Sender(client), reader, rejects, checkpoint, done)
            with _going_on(done, stream), progress(f"importing {run.file}", _size(stream)) as show:
                running.run(stream, run.kind, show)
    checkpoint.remove()
    return done


def _kind(file: Path) -> Format:
    suffixes: dict[str, Format] = {
        ".csv": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson",
    }  # fmt: skip
    if file.suffix.lower() not in suffixes:
        raise Misconfigured(f"{file} does not say what it is: give --format csv or --format ndjson")
    return suffixes[file.suffix.lower()]


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if file == Path("-"):
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise Misconfigured(f"{file} can't be read: {error.strerror}") from None
    with stream:
        yield stream


def _beside(file: Path, suffix: str) -> Path:
    named = Path("stdin") if file == Path("-") else file
    return named.with_name(f"{named.name}{suffix}")


def _size(stream: BinaryIO) -> int | None:
    return os.fstat(stream.fileno()).st_size if stream.seekable() else None


def _begin(stream: BinaryIO, checkpoint: Checkpoint, options: object, *, restart: bool) -> Progress:
    """Return the progress of an interrupted run over the same file, or a new one."""
    if not stream.seekable():
        return Progress("")
    source = fingerprint(stream, options)
    found = None if restart else checkpoint.load()
    if found is None:
        return Progress(source)
    if found.source != source or found.position > (_size(stream) or 0):
        note("the file or the options are others than in the interrupted run: starting with the first row")
        return Progress(source)
    note(f"going on after line {found.line:,}; --restart begins at the first row")
    return found


@contextmanager
def _going_on(done: Progress, stream: BinaryIO) -> Iterator[None]:
    """Say how to go on after an interruption."""

    def how() -> str:
        if not stream.seekable():
            return "run the same again: what is known already does no harm"
        return f"run the same again to go on after line {done.line:,}"

    try:
        yield
    except KeyboardInterrupt:
        note(f"interrupted; {how()}")
        raise
    except Unavailable as error:
        raise Unavailable(f"{error.text} ({how()})") from error


def _summarize(run: _Run, done: Progress, *, json: bool) -> None:
    summary = {
        "rows": done.rows,
        "recorded": done.recorded,
        "unchanged": done.unchanged,
        "rejected": done.rejected,
        "ignored": done.ignored,
        "rejects": str(run.rejects) if done.rejected else None,
    }
    if json:
        typer.echo(as_json(summary))
    else:
        where = f" (see {run.rejects})" if done.rejected else ""
        typer.echo(
            f"{done.rows:,} rows: {done.recorded:,} reports recorded, {done.unchanged:,} known before,"
            f" {done.rejected:,} rejected{where}"
        )
        if done.ignored:
            typer.echo(f"{done.ignored:,} phone numbers could not be read: their reports count without them")
