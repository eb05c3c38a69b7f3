"""`otpconv ledger copy`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otpconv.cli.characters import as_json
from otpconv.cli.check_results import print_results
from otpconv.cli.options import Data, Json
from otpconv.cli.telling import tell
from otpconv.cli.terminal import note, progress

if TYPE_CHECKING:
    from otpconv.config import Settings
    from otpconv.service.copying import Copied

_PLACE = "A data folder, or postgresql://USER@HOST/DATABASE without a password."


def copy(
    source: Annotated[str, typer.Option("--from", metavar="A", help=f"What to copy. {_PLACE}")],
    target: Annotated[str, typer.Option("--to", metavar="B", help=f"Where to. {_PLACE}")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Copy everything from one storage into another one, e.g. from SQLite into PostgreSQL or back.

    Servers on A may go on. Copies the journal, the access keys, users, policies and roles, the annotations,
    the saved views, the alerts, the vendor accounts, and what the relay has sent and has to send. The ledger
    of B is built from its journal. Ends when B has caught up with A, and verifies that all rows of both are
    equal. Then stop the servers on A, run the same command again, which copies the last reports, and start
    the servers on B.

    An interrupted copy continues when you run the command again. B must be empty or an earlier copy of A, and
    no server may run on it. Tables in PostgreSQL are created if there are none.

    The sealing key is copied into the data folder B. With a PostgreSQL, it stays in the data folder of the
    server, which --data names. Passwords of PostgreSQL come from `~/.pgpass` or PGPASSWORD.

    Exits with 1 if the verification finds differences.

    Examples:
        otpconv ledger copy --from /var/lib/otpconv --to postgresql://otpconv@db.internal/otpconv

        otpconv ledger copy --from postgresql://otpconv@db.internal/otpconv --to /var/lib/restored
    """
    # The server's libraries are not there in a client's installation.
    from otpconv.service.copying import copy as copy_storage

    here, there = _settings(source, "--from", data), _settings(target, "--to", data)
    if there.ledger is not None and here.ledger is None:
        there = there.model_copy(update={"data": here.data})
    try:
        with progress("copying", 1000) as show:
            copied = copy_storage(here, there, lambda done, total: show(min(999, done * 1000 // total)))
    except KeyboardInterrupt:
        note("interrupted: run the same command again, and it continues")
        raise
    ok = all(check.ok for check in copied.checks)
    if json:
        fields = {"ok": ok, "position": copied.position, "copied": copied.copied, "lag": copied.lag}
        typer.echo(as_json(fields | {"served": copied.served, "checks": copied.checks}))
        if not ok:
            raise typer.Exit(1)
        return
    print_results(copied.checks, json=False)
    tell(_next_step(copied, here, there), None, json=False)


def _settings(address: str, option: str, data: Path | None) -> "Settings":
    """Return the settings of one side.

    Raises:
        Misconfigured: the URL has a password, or is not one of PostgreSQL.
    """
    from otpconv.config import load
    from otpconv.service.engines import without_password

    if "://" in address:
        return load(ledger=without_password(address, option), data=data)
    return load().model_copy(update={"data": Path(address), "ledger": None})


def _next_step(copied: "Copied", here: "Settings", there: "Settings") -> str:
    """Return the result in a sentence, and the next step."""
    text = f"{copied.copied:,} entries copied; the copy ends at position {copied.position:,}"
    if copied.lag:
        text += f", {copied.lag:,} entries behind"
    folder = shlex.quote(str(there.data))
    if there.ledger is None:
        start = f"otpconv serve --data {folder}"
    else:
        start = f"otpconv serve --data {folder} --ledger …, with the sealing key of {here.data}"
    if copied.lag or copied.served:
        first = "stop all servers on the source, run the same command again, and then start: "
    else:
        first = "if no server runs on the source any more, start: "
    return f"{text}.\nNext: {first}{start}"
