"""`otpconv ledger`: create tables in PostgreSQL; back up, verify, rebuild and prune the data."""

import io
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from typing_extensions import Buffer

from otpconv.cli.characters import as_json
from otpconv.cli.ledger_rebuild import rebuild
from otpconv.cli.ledger_verify import verify
from otpconv.cli.manual import add
from otpconv.cli.options import Data, Json, Ledger, Tz
from otpconv.cli.stores import Change, audited
from otpconv.cli.telling import tell
from otpconv.cli.terminal import note, progress
from otpconv.cli.zone import zone_of
from otpconv.errors import Misconfigured

#: How much is written to the backup before it is brought to the disk.
_PART_BYTES = 2 * 1024 * 1024

app = typer.Typer(
    no_args_is_help=True, help="Create tables in PostgreSQL; back up, verify, rebuild and prune the data."
)


def backup(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="The backup to write; it must not exist yet.", show_default=False
        ),
    ],
    data: Data = None,
    json: Json = False,
) -> None:
    """Back up a data folder into one file, also while a server runs on it.

    The file is a tar archive of everything that can't be rebuilt: `journal.sqlite`, `access.sqlite`,
    `annotations.sqlite` and `sealing.key`. It holds everything that was acknowledged before the backup
    began. Who can read it can read the secrets of the access keys, so only its owner may. To restore it,
    unpack it into an empty folder, as below, and start a server on that; the server makes the ledger again.

    The disk of the file needs room for two copies of the data meanwhile. An existing file is not overwritten.

    Examples:
        otpconv ledger backup /backup/otpconv.tar --data /var/lib/otpconv

        mkdir -m 700 restored && tar -xf /backup/otpconv.tar -C restored && otpconv serve --data restored
    """
    # The server's libraries are not there in a client's installation.
    from otpconv.config import load
    from otpconv.service.upkeep import copy_state

    settings = load(data=data)
    if os.path.lexists(file):
        raise Misconfigured(f"{file} already exists: choose another name, or move it away")
    try:
        with (
            tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder,
            progress("backing up", 1000) as show,
        ):
            copies = copy_state(settings, Path(folder), lambda done, total: show(done * 1000 // (total or 1)))
            draft = Path(folder) / file.name
            _pack(copies, draft)
            size = draft.stat().st_size
            _publish(draft, file)
    except OSError as error:
        raise Misconfigured(f"{file} can't be written ({error.strerror}): choose another file") from None
    names = [copy.name for copy in copies]
    if json:
        typer.echo(as_json({"file": str(file), "bytes": size, "files": names}))
    else:
        typer.echo(f"{file}: {size / 1e6:,.1f} MB, with {', '.join(names)}")


class _Parts(io.BufferedWriter):
    """Writes to the disk part by part: what waits in memory for the disk holds up a server's commits."""

    _waiting = 0

    # typing.override is not in Python 3.11.
    def write(self, content: Buffer, /) -> int:  # type: ignore[explicit-override]
        """Write some bytes."""
        written = super().write(content)
        self._waiting += written
        if self._waiting >= _PART_BYTES:
            self.sync()
        return written

    def sync(self) -> None:
        """Wait until all is on the disk."""
        self.flush()
        os.fdatasync(self.fileno())
        self._waiting = 0


def _pack(copies: list[Path], archive: Path) -> None:
    """Put files into a new tar archive that only its owner may read, durably."""
    descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with _Parts(io.FileIO(descriptor, "wb")) as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for copy in copies:
                tar.add(copy, copy.name)
        file.sync()


def _publish(draft: Path, file: Path) -> None:
    """Give a complete backup its name in one step, unless something has that name by now."""
    try:
        os.link(draft, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        draft.rename(file)
    descriptor = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prune(
    before: Annotated[str, typer.Option(metavar="TIME", help="Delete messages requested before this.")],
    tz: Tz = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Delete the messages of all accounts before a time, with their conversions. Rates stay.

    Also works while a server runs. The messages are gone from every answer and from the files, and a rebuild
    does not bring them back. Backups still have them. The server refuses reports about times before that from
    then on, since it could not tell whether it has counted them. Where no server runs, with PostgreSQL no
    node, the freed space is returned to the disk.

    Setting retention_days does the same every day.

    Examples:
        otpconv ledger prune --before 2026-01-01

        otpconv ledger prune --before 90d --data /var/lib/otpconv --json
    """
    from otpconv.clock import iso_8601, wall_clock
    from otpconv.config import load
    from otpconv.service import deleting
    from otpconv.times import parse_time

    now = wall_clock()
    time = parse_time(before, "--before", now=now, tz=zone_of(tz))
    if time > now:
        raise Misconfigured(f"--before {before} is in the future: use a time in the past, e.g. 90d")
    settings = load(data=data)
    subject = f"before {iso_8601(time)}"
    count = 0
    with audited(settings.data, Change("PruneMessages", subject)) as change:
        try:
            with progress("deleting", None) as show:

                def deleted(so_far: int) -> None:
                    nonlocal count
                    count = so_far
                    show(so_far)

                count = deleting.prune(settings, time, deleted)
        except KeyboardInterrupt:
            note(f"interrupted after {count:,} messages: run the command again to delete the rest")
            raise
        finally:
            change.subject = f"{subject}, {count:,} messages"
    tell(f"{count:,} messages before {iso_8601(time)} are deleted", {"deleted": count}, json=json)


def init(ledger: Ledger = None, json: Json = False) -> None:
    """Create the tables of otpconv in a PostgreSQL, in the schemas `otpconv` and `otpconv_ledger`.

    Run it once before the first server starts. The user needs the permission to create schemas in the
    database. If the tables are there already, nothing changes.

    Examples:
        OTPCONV_LEDGER=postgresql://otpconv:SECRET@db.internal/otpconv otpconv ledger init

        otpconv ledger init --ledger postgresql://otpconv@db.internal/otpconv
    """
    from otpconv.config import load
    from otpconv.service.engines import postgres_engine, without_password

    created = postgres_engine(load(ledger=without_password(ledger))).create()
    tell(
        "the tables are created" if created else "the tables were there already",
        {"created": created},
        json=json,
    )


def migrate(ledger: Ledger = None, json: Json = False) -> None:
    """Bring the tables in a PostgreSQL up to date with this otpconv.

    Run it after an upgrade. Servers of the previous version may go on meanwhile.

    Examples:
        otpconv ledger migrate

        otpconv ledger migrate --ledger postgresql://otpconv@db.internal/otpconv --json
    """
    from otpconv.config import load
    from otpconv.service.engines import postgres_engine, without_password

    before, after = postgres_engine(load(ledger=without_password(ledger))).migrate()
    text = (
        f"migrated from version {before} to {after}" if before < after else f"version {after} is up to date"
    )
    tell(text, {"before": before, "after": after}, json=json)


add(app, "init", init)
add(app, "migrate", migrate)
add(app, "backup", backup)
add(app, "verify", verify)
add(app, "rebuild", rebuild)
add(app, "prune", prune)
