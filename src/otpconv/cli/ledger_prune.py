"""`otpconv ledger prune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otpconv.cli.ledger_archive import Archive
from otpconv.cli.options import Data, Json, Tz
from otpconv.cli.stores import Change, audited
from otpconv.cli.telling import tell
from otpconv.cli.terminal import note, progress
from otpconv.cli.zone import zone_of
from otpconv.errors import Misconfigured

if TYPE_CHECKING:
    from otpconv.config import Settings


def prune(
    before: Annotated[str, typer.Option(metavar="TIME", help="Delete messages requested before this.")],
    archive: Annotated[
        Path | None,
        typer.Option(
            "--archive",
            metavar="FILE",
            help="Write the messages to this file first: .ndjson to import, or .parquet.",
            show_default=False,
        ),
    ] = None,
    tz: Tz = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Delete the messages of all accounts before a time, with their conversions. Rates stay.

    Also works while a server runs. The messages are gone from every answer and from the files, and a rebuild
    does not bring them back. Backups still have them. The server refuses reports about times before that from
    then on, since it could not tell whether it has counted them. Where no server runs, with PostgreSQL no
    node, the freed space is returned to the disk.

    With `--archive`, all messages are written to a file before the first one is deleted. NDJSON has the rows
    that `otpconv export` writes, with the account in each: import those of an account with
    `otpconv import FILE --only account=NAME`. Phone numbers are not stored, so they are not in it.

    Setting retention_days does the same every day, without an archive.

    Examples:
        otpconv ledger prune --before 2026-01-01

        otpconv ledger prune --before 90d --data /var/lib/otpconv --json

        otpconv ledger prune --before 1y --archive /archive/until-2025.ndjson
    """
    from otpconv.clock import iso_8601, wall_clock
    from otpconv.config import load
    from otpconv.times import parse_time

    now = wall_clock()
    time = parse_time(before, "--before", now=now, tz=zone_of(tz))
    if time > now:
        raise Misconfigured(f"--before {before} is in the future: use a time in the past, e.g. 90d")
    settings = load(data=data)
    archived = Archive(settings, archive, time) if archive is not None else None
    count = _prune(settings, time, archived)
    fields: dict[str, object] = {"deleted": count}
    if archived is not None:
        fields |= {"archive": str(archive), "archived": archived.messages}
    tell(f"{count:,} messages before {iso_8601(time)} are deleted", fields, json=json)


def _prune(settings: "Settings", time: int, archived: Archive | None) -> int:
    """Write the archive, delete the messages, and return their number."""
    from otpconv.clock import iso_8601
    from otpconv.service import deleting

    if archived is not None:
        archived.write()
    subject = f"before {iso_8601(time)}"
    count = 0
    with audited(settings.data, Change("PruneMessages", subject)) as change:
        try:
            with progress("deleting", None) as show:

                def deleted(so_far: int) -> None:
                    nonlocal count
                    count = so_far
                    show(so_far)

                count = deleting.prune(settings, time, deleted, archived.check if archived else None)
        except KeyboardInterrupt:
            note(f"interrupted after {count:,} messages: run the command again to delete the rest")
            raise
        finally:
            change.subject = f"{subject}, {count:,} messages"
    return count
