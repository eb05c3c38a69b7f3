"""`otpconv ledger`: create tables in PostgreSQL; back up, copy, verify, rebuild and prune the data."""

import io
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from typing_extensions import Buffer

from otpconv.cli.characters import as_json
from otpconv.cli.files import publish
from otpconv.cli.ledger_copy import copy
from otpconv.cli.ledger_prune import prune
from otpconv.cli.ledger_rebuild import rebuild
from otpconv.cli.ledger_verify import verify
from otpconv.cli.manual import add
from otpconv.cli.options import Data, Json, Ledger
from otpconv.cli.telling import tell
from otpconv.cli.terminal import progress
from otpconv.errors import Misconfigured

#: How much is written to the backup before it is brought to the disk.
_PART_BYTES = 2 * 1024 * 1024

app = typer.Typer(
    no_args_is_help=True,
    help="Create tables in PostgreSQL; back up, copy, verify, rebuild and prune the data.",
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
    `annotations.sqlite`, `alerts.sqlite`, `relay.sqlite` and `sealing.key`. It holds everything that was
    acknowledged before the backup began. Who can read it can read the secrets of the access keys, so only its
    owner may. To restore it, unpack it into an empty folder, as below, and start a server on that; the server
    makes the ledger again.

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
            publish(draft, file)
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


def init(
    ledger: Ledger = None,
    distribute: Annotated[
        bool, typer.Option("--distribute", help="Distribute the messages over the workers of a Citus.")
    ] = False,
    shards: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Into how many shards, with --distribute; 1 to 64, by default 32.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Create the tables of otpconv in a PostgreSQL, in the schemas `otpconv` and `otpconv_ledger`.

    Run it once before the first server starts. The user needs the permission to create schemas in the
    database. If the tables are there already, nothing changes.

    With --distribute, the messages are distributed over the workers of a Citus, and everything else is on its
    coordinator, which the URL names.

    Examples:
        OTPCONV_LEDGER=postgresql://otpconv:SECRET@db.internal/otpconv otpconv ledger init

        otpconv ledger init --ledger postgresql://otpconv@db.internal/otpconv

        otpconv ledger init --ledger postgresql://otpconv@coordinator/otpconv --distribute --shards 32
    """
    from otpconv.config import load
    from otpconv.service.engines import SHARDS, postgres_engine, without_password

    if shards is not None and not distribute:
        raise Misconfigured("--shards divides distributed messages: add --distribute, or leave out --shards.")
    engine = postgres_engine(load(ledger=without_password(ledger)))
    created = engine.create((SHARDS if shards is None else shards) if distribute else None)
    tell(
        "the tables are created" if created else "the tables were there already",
        {"created": created},
        json=json,
    )


def migrate(ledger: Ledger = None, json: Json = False) -> None:
    """Bring the tables in a PostgreSQL up to date with this otpconv.

    Run it after an upgrade. Servers of the previous version may go on meanwhile: restart them afterwards, one
    after the other. If the ledger is built again from the journal, this needs room for a second one, and no
    deletion runs meanwhile. An interrupted migration leaves the ledger as it was.

    Examples:
        otpconv ledger migrate

        otpconv ledger migrate --ledger postgresql://otpconv@db.internal/otpconv --json
    """
    from otpconv.config import load
    from otpconv.service.engines import postgres_engine, without_password

    engine = postgres_engine(load(ledger=without_password(ledger)))
    with progress("migrating", 1000) as show:
        before, after = engine.migrate(lambda done, total: show(done * 1000 // total))
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
add(app, "copy", copy)
