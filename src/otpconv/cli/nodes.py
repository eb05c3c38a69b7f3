"""`otpconv nodes`."""

from otpconv.cli.options import Data, Json, Ledger, Tz
from otpconv.cli.telling import tell_rows
from otpconv.cli.zone import zone_of
from otpconv.errors import Misconfigured


def nodes(ledger: Ledger = None, tz: Tz = None, data: Data = None, json: Json = False) -> None:
    """List the servers that share a PostgreSQL, and what each of them does.

    A node reports every second that it runs. After a crash it is listed for an hour as not running. The
    lag is the number of reports that the node has acknowledged and that are not in the rates yet. The
    leases are the work that one node does for all: `ledger` brings reports into the rates, `expiry`
    forgets old minutes and unmatched conversions, `retention` deletes old messages, `relay` passes
    conversions on to vendors. If that node fails, another one takes over within 5 seconds. Times are by
    the clock of the database.

    Examples:
        otpconv nodes

        otpconv nodes --ledger postgresql://otpconv@db.internal/otpconv --json
    """
    # The server's libraries are not there in a client's installation.
    from msgspec.structs import asdict

    from otpconv.config import load
    from otpconv.service.engines import without_password
    from otpconv.service.running import nodes_of

    found = nodes_of(load(data=data, ledger=without_password(ledger)))
    if found is None:
        raise Misconfigured(
            "Several nodes need PostgreSQL, and the setting ledger names none: the embedded engine has one"
            " server per data folder. Set OTPCONV_LEDGER, or use otpconv doctor for the data folder"
        )
    columns = ["name", "version", "running", "started_at", "seen_at", "lag", "leases"]
    tell_rows(columns, [asdict(node) for node in found], json=json, zone=zone_of(tz))
