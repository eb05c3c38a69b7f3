"""`otpconv import`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import typer
from msgspec import Struct

from otpconv.cli.characters import as_json
from otpconv.cli.client import Client
from otpconv.cli.importing import spreadsheet
from otpconv.cli.importing.checkpoint import Checkpoint, Progress, fingerprint
from otpconv.cli.importing.columns import listed
from otpconv.cli.importing.options import meaning
from otpconv.cli.importing.parameters import (
    Constants,
    Delimiter,
    Encoding,
    FalseWords,
    File,
    FileFormat,
    From,
    ListProfiles,
    Only,
    RejectsPath,
    Renamed,
    Restart,
    TimeFormat,
    TrueWords,
)
from otpconv.cli.importing.profile import Profile, load, names
from otpconv.cli.importing.records import Reader
from otpconv.cli.importing.run import Import, Rejects, Table
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
from otpconv.cli.telling import tell_rows
from otpconv.cli.terminal import note, progress
from otpconv.cli.zone import name_of_zone
from otpconv.errors import Misconfigured, Unavailable


def import_file(
    file: File = None,
    from_: From = None,
    list_profiles: ListProfiles = False,
    format_: FileFormat = None,
    set_: Constants = None,
    map_: Renamed = None,
    only: Only = None,
    true: TrueWords = None,
    false: FalseWords = None,
    tz: Tz = None,
    time_format: TimeFormat = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    rejects: RejectsPath = None,
    region: Region = "",
    restart: Restart = False,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    access_key_id: AccessKeyId = None,
    access_key_secret: AccessKeySecret = None,
    key_file: KeyFile = DEFAULT_KEY_FILE,
    json: Json = False,
) -> None:
    """Send a file of messages and conversions to a server.

    A row has any of message_id, requested_at, to, country, carrier, provider, template, sender, channel,
    session_id, attempt, delivered, conversion_time, under these names, usual ones of vendors, or those of
    `--map` or `--from`. With `delivered` (true or false) it is a conversion, with requested_at or any field
    of a message it is a message; it may be both. A conversion without conversion_time counts in rates, not in
    times to verify. Rejected rows go to FILE.rejects.ndjson **with the phone numbers in them**, and the
    command exits with 1. After an interruption, the same command continues (FILE.progress).

    Examples:
        otpconv import january.csv --from twilio-log

        otpconv import vendor.csv --map requested_at=sent_at --map to=msisdn --set provider=acme

        jq -c .row vendor.csv.rejects.ndjson | otpconv import -
    """
    if file is None or list_profiles:
        _list_profiles(wanted=list_profiles, json=json)
        return
    known = load(from_) if from_ else Profile("")
    means = meaning(known, from_ or "", map_, set_, only, true, false, region)
    table = Table(format_, encoding, _one_character(delimiter), means.renamed, known.encoding)
    times = Times(name_of_zone(tz or known.tz), time_format or known.time_format, _survey(file, table))
    run = _Run(file, table, rejects or _beside(file, ".rejects.ndjson"))
    options = (run, means, known, tz, time_format)
    client = Client(endpoint, access_key_id, access_key_secret, key_file)
    _import(run, Reader(times, means), client, options, restart=restart, json=json)


def _list_profiles(*, wanted: bool, json: bool) -> None:
    """Print the profiles; without a file, it is all that the command can do.

    Raises:
        typer.BadParameter: the list is not wanted.
    """
    if not wanted:
        raise typer.BadParameter("give the file, or - for standard input", param_hint="FILE")
    rows = ({"profile": name, "file": load(name).title} for name in names())
    tell_rows(("profile", "file"), rows, json=json)


class _Run(Struct):
    """Which file, how it is read, and where its rejected rows go."""

    file: Path
    table: Table
    rejects: Path


def _import(run: _Run, reader: Reader, client: Client, options: object, *, restart: bool, json: bool) -> None:
    with opened(run.file) as stream:
        checkpoint = Checkpoint(_beside(run.file, ".progress") if stream.seekable() else None)
        options = (options, client.endpoint, client.access_key_id)
        done = _begin(stream, checkpoint, options, restart=restart)
        with Rejects(run.rejects, done.rejects_bytes) as rejects:
            running = Import(Sender(client), reader, rejects, checkpoint, done)
            with _going_on(done, stream), progress(f"importing {run.file}", size(stream)) as show:
                running.run(
                    stream, run.table, lambda: show(stream.tell() if stream.seekable() else done.rows)
                )
    checkpoint.remove()
    _summarize(run, reader, done, json=json)
    if done.rejected:
        raise typer.Exit(1)


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
