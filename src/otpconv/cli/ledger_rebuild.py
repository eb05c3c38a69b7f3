"""`otpconv ledger rebuild`."""

from typing import Annotated

import typer

from otpconv.cli.options import Data, Json
from otpconv.cli.telling import tell
from otpconv.cli.terminal import note, progress


def rebuild(
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="Skip damaged rows of the journal; their reports don't count.")
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Build the ledger again from the journal, and replace the old one when it is complete.

    Stop the server first, with PostgreSQL all nodes; otherwise the command refuses. An interrupted rebuild
    leaves the old ledger as it was. Needs free space for a second ledger. Reports, access keys, annotations
    and alerts stay as they are.

    A damaged row of the journal stops the rebuild, and the error names the row. Restore the journal from a
    backup, or add `--set-aside`. Then damaged rows stay in the journal, listed in its table `set_aside`, but
    their reports are not counted.

    Examples:
        otpconv ledger rebuild --data /var/lib/otpconv

        otpconv ledger rebuild --data /var/lib/otpconv --set-aside --json
    """
    # The server's libraries are not there in a client's installation.
    from otpconv.config import load
    from otpconv.service.upkeep import rebuild_ledger, set_damage_aside

    settings = load(data=data)
    problems = []
    if set_aside:
        problems = set_damage_aside(settings)
        for problem in problems:
            note(f"set aside: {problem}")
        note(f"{len(problems):,} problems of the journal are set aside; see its table set_aside")
    try:
        # In thousandths: the number of entries is only known once the journal is open.
        with progress("rebuilding the ledger", 1000) as show:
            count = rebuild_ledger(settings, lambda done, total: show(done * 1000 // total))
    except KeyboardInterrupt:
        note("interrupted; the ledger is as it was: run the same command again to rebuild it")
        raise
    tell(
        f"the ledger is rebuilt from {count:,} entries of the journal",
        {"rebuilt": count, "set_aside": problems},
        json=json,
    )
