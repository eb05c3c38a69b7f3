"""`otpconv spool`: the reports of this host that wait for delivery, and its dead letters."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from otpconv.cli import completion
from otpconv.cli.characters import as_json, visible
from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.manual import add
from otpconv.cli.options import Json, Tz
from otpconv.cli.telling import tell_members, tell_rows
from otpconv.cli.terminal import progress
from otpconv.cli.zone import zone_of
from otpconv.clock import wall_clock
from otpconv.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from otpconv.reporter import Reporter

app = typer.Typer(
    no_args_is_help=True, help="Inspect a reporter's spool, deliver it, and requeue dead letters."
)

_LOOK_S = 0.05

_Path = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the spool.", show_default=False)]

_Dialect = Annotated[
    str | None,
    typer.Option(
        help="Wire protocol: native or alibaba; default: by the endpoint.",
        show_default=False,
        autocompletion=completion.dialects,
    ),
]


def status(path: _Path, tz: Tz = None, json: Json = False) -> None:
    """Show how many reports wait and since when, how many are dead letters, and which process delivers.

    Examples:
        otpconv spool status /var/spool/otpconv
    """
    zone = zone_of(tz)
    from otpconv.reporter.inspection import look

    with _readable(path):
        found = look(path)
    fields = msgspec.to_builtins(found)
    if not json:
        fields["dead_letters"] = ", ".join(f"{n} {code}" for code, n in found.dead_letters.items()) or "0"
        fields["delivered_to"] = found.delivered_to or "nobody delivers it now"
    tell_members(fields, json=json, zone=zone)


@with_client
def drain(
    client: Client,
    path: _Path,
    dialect: _Dialect = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="When to give up.")] = 60.0,
    json: Json = False,
) -> None:
    """Deliver all reports of a spool, e.g. before shutting down a host, and exit.

    If another process already delivers the spool, the command waits for it. Exits with 3 if reports are still
    in the spool at the end.

    Examples:
        otpconv spool drain /var/spool/otpconv --endpoint https://otpconv.example.com
    """
    from otpconv.cli.logs import quiet_reporter
    from otpconv.reporter import Reporter

    quiet_reporter()
    with _readable(path):
        chosen: Literal["native", "alibaba"] | None = dialect  # type: ignore[assignment] # it is checked there
        reporter = Reporter(
            client.endpoint,
            client.access_key_id,
            client.access_key_secret,
            security_token=client.security_token,
            dialect=chosen,
            spool=path,
        )
        left = _drain(reporter, timeout)
        stats = reporter.stats()
        reporter.close(0.0)
    if left:
        why = stats.last_error or (
            "delivery is degraded: switched off by hand" if stats.degraded else "the timeout was too short"
        )
        raise Unavailable(
            f"{left:,} reports are left in {path} ({why}): run the same command again to deliver them"
        )
    fields = {"delivered": stats.delivered, "rejected": stats.rejected}
    text = f"{stats.delivered:,} delivered, {stats.rejected:,} set aside"
    typer.echo(as_json(fields) if json else visible(text))


def dead_letters(path: _Path, tz: Tz = None, json: Json = False) -> None:
    """List the reports that the server will never accept, each with the reason.

    Examples:
        otpconv spool dead-letters /var/spool/otpconv --json
    """
    zone = zone_of(tz)
    from otpconv.delivery.dead_letters import DeadLetters

    with _readable(path):
        rows = [
            {
                "rejected_at": letter.at,
                "code": letter.code,
                "reason": letter.reason,
                "kind": letter.kind,
                "report": letter.shown(),
            }
            for letter in DeadLetters(path)
        ]
    tell_rows(("rejected_at", "code", "reason", "kind", "report"), rows, json=json, zone=zone)


def requeue(
    path: _Path,
    code: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODE", help="Only dead letters with this error code; repeatable.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Put dead letters back into the spool to deliver them again, after their cause is fixed.

    Examples:
        otpconv spool requeue /var/spool/otpconv --code InvalidTime
    """
    from otpconv.reporter.requeue import put_back

    with _readable(path):
        count = put_back(path, lambda letter: not code or letter.code in code, wall_clock())
    typer.echo(as_json({"requeued": count}) if json else f"{count:,} put back")


def _drain(reporter: "Reporter", timeout_s: float) -> int:
    """Deliver until nothing is left or the time is over, and return how many reports are left."""
    deadline = time.monotonic() + timeout_s
    total = left = reporter.stats().pending
    reporter.start()
    with progress("delivering", total) as done:
        while left and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
            left = reporter.stats().pending
            done(total - left)
    return left


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.is_dir():
        raise Misconfigured(
            f"there is no spool at {path}: give the folder that is the reporter's argument spool="
        )
    try:
        yield
    except OSError as error:
        raise Misconfigured(
            f"the spool {path} can't be used ({error.strerror or error}): check its permissions"
        ) from error
    except ValueError as error:
        raise Misconfigured(str(error)) from error


add(app, "status", status)
add(app, "drain", drain)
add(app, "dead-letters", dead_letters)
add(app, "requeue", requeue)
