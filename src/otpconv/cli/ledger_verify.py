"""`otpconv ledger verify`."""

from otpconv.cli.check_results import print_results
from otpconv.cli.options import Data, Json
from otpconv.cli.terminal import note, progress


def verify(data: Data = None, json: Json = False) -> None:
    """Verify that the ledger is what the journal gives, and print each difference with its remedy.

    Builds a second ledger from the journal and compares all rows of both: messages, conversions by number,
    rollups, dimensions, routes, unmatched conversions, and what deleted messages left. Then it compares the
    rollups with a recount of the messages. Changes nothing, and works while a server runs. Deletions are
    refused meanwhile.

    Takes one to two minutes per million messages, and needs free space for a second ledger in the data
    folder. Exits with 1 if there are differences; `otpconv ledger rebuild` removes them.

    Examples:
        otpconv ledger verify --data /var/lib/otpconv

        otpconv ledger verify --data /var/lib/otpconv --json
    """
    # The server's libraries are not there in a client's installation.
    from otpconv.config import load
    from otpconv.service.upkeep import verify_ledger

    settings = load(data=data)
    try:
        with progress("verifying the ledger", 1000) as show:
            results = list(verify_ledger(settings, lambda done, total: show(done * 1000 // total)))
    except KeyboardInterrupt:
        note("interrupted; nothing was changed")
        raise
    print_results(results, json=json)
