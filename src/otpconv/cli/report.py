"""`otpconv report`."""

from pathlib import Path
from typing import Annotated

import typer
from msgspec import UNSET

from otpconv.cli.characters import as_json, visible
from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.importing.regions import international_in
from otpconv.cli.options import Json, Region, Tz
from otpconv.cli.terminal import note
from otpconv.cli.unreachable import advice
from otpconv.cli.zone import zone_of
from otpconv.clock import wall_clock
from otpconv.errors import (
    InvalidNumber,
    InvalidRequest,
    Misconfigured,
    OtpconvError,
    Refused,
    Unavailable,
)

#: How long an answer may take, ms.
_TIMEOUT_MS = 30_000
#: How long to wait for the delivery of a spooled report, s; later, the next user of the spool delivers it.
_FLUSH_S = 5.0

_Time = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Time of the conversion, e.g. '5m ago', ISO 8601 or ms; default: now."),
]
_To = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="The recipient's number, instead of a message id.")
]
_SpoolFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Spool the report first, so that it can be delivered later if the server is away.",
        show_default=False,
    ),
]


@with_client
def report(
    client: Client,
    message_id: Annotated[str | None, typer.Argument(help="The message id; or give --to.")] = None,
    delivered: Annotated[
        bool, typer.Option("--delivered/--not-delivered", help="Whether the user entered the code.")
    ] = True,
    conversion_time: _Time = None,
    tz: Tz = None,
    to: _To = None,
    region: Region = "",
    spool: _SpoolFolder = None,
    json: Json = False,
) -> None:
    """Report one conversion by a signed SmsConversion call, like the official SDKs.

    The endpoint may also be the vendor's own. With `--spool` the report is stored before it is sent, and the
    command succeeds even if the server is down; `otpconv spool drain`, or any reporter on the spool, delivers
    it later. If you give a message id, a number that can't be read is left out.

    Examples:
        otpconv report 1008030300

        otpconv report --to +4915112345678 --not-delivered

        otpconv report 1008030300 --spool /var/spool/otpconv
    """
    from otpconv.times import parse_time  # only this command's users pay for loading a calendar

    now = wall_clock()
    zone = zone_of(tz)
    time = None
    if conversion_time is not None:
        time = parse_time(conversion_time, "--conversion-time", now=now, tz=zone)
    to = to and _usable(international_in(region)(to), message_id)
    code, text = "OK", "OK"
    if spool is None:
        code, text = _call(client, message_id, delivered, now if time is None else time, to)
    elif not _spool(client, spool, message_id, delivered, time, to):
        code, text = "Spooled", f"the report is in {spool}, to be delivered later"
    fields = {"ResponseCode": code, "ResponseDescription": text}
    typer.echo(as_json(fields) if json else code if code == "OK" else visible(text))


def _usable(to: str, message_id: str | None) -> str | None:
    """Return the number; None where it can't be read and the message is known by its id."""
    try:
        from otpconv.phone import parse
    except ImportError:  # a client's installation: the other side judges
        return to
    try:
        parse(to)
    except InvalidNumber as error:
        if message_id is None or to.isdecimal():
            return to
        note(f"--to is ignored: {error.text}")
        return None
    return to


def _call(
    client: Client, message_id: str | None, delivered: bool, time: int, to: str | None
) -> tuple[str, str]:
    """Make the call, whatever is in the arguments: the other side judges them."""
    from otpconv.delivery.reports import Report, with_fields
    from otpconv.delivery.sms_conversion import SmsConversionTransport
    from otpconv.delivery.transport import Fate
    from otpconv.dialects.native.timed import TimedConversion
    from otpconv.reporter import Credentials

    fields = TimedConversion(
        delivered, time, UNSET if message_id is None else message_id, UNSET if to is None else to
    )
    key = Credentials(client.access_key_id, client.access_key_secret, client.security_token)
    transport = SmsConversionTransport(client.endpoint, lambda: key, _TIMEOUT_MS, wall_clock, concurrency=1)
    (outcome,) = transport.send([with_fields(Report(0, b""), fields)])
    transport.close()
    if outcome.fate is Fate.DELIVERED:
        return "OK", "OK"
    if outcome.code == "TlsFailed":
        raise Misconfigured(f"{client.endpoint} can't be used: {outcome.reason}")
    text = f"{outcome.code}: {outcome.reason}"
    kind: type[OtpconvError] = Unavailable if outcome.fate in {Fate.FAILED, Fate.BUSY} else Refused
    if outcome.code in {"Unreachable", "NoAnswer"}:
        hint = advice(client.endpoint, connected=outcome.code == "NoAnswer")
        text = f"{client.endpoint} can't be reached ({outcome.reason}): {hint}"
    raise kind(text)


def _spool(
    client: Client, folder: Path, message_id: str | None, delivered: bool, time: int | None, to: str | None
) -> bool:
    """Spool the report, and return whether it is delivered already."""
    from otpconv.cli.logs import quiet_reporter
    from otpconv.reporter import Reporter

    quiet_reporter()
    with Reporter(
        client.endpoint,
        client.access_key_id,
        client.access_key_secret,
        security_token=client.security_token,
        dialect="alibaba",
        spool=folder,
    ) as reporter:
        try:
            reporter.report(message_id, delivered, time, to)
        except ValueError as error:
            raise InvalidRequest(f"{error}") from None
        delivered_now = reporter.flush(_FLUSH_S)
        stats = reporter.stats()
    if stats.rejected:
        raise Refused(f"the report was refused: run otpconv spool dead-letters {folder} to see why")
    if not stats.durable:
        raise Unavailable(
            f"the report can't be spooled ({stats.last_error}): check {folder}, then report it again"
        )
    return delivered_now
