"""`otpconv vendors`: accounts at vendors, which get conversions and push receipts."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.given_values import pairs, secrets_of
from otpconv.cli.manual import add
from otpconv.cli.options import Json, Tz
from otpconv.cli.telling import tell, tell_rows
from otpconv.cli.zone import zone_of
from otpconv.errors import Misconfigured, Refused

if TYPE_CHECKING:
    from otpconv.relay.kind import Setting

app = typer.Typer(no_args_is_help=True, help="Create, list and test vendor accounts, and their receipts.")

_PATH = "/v1/vendors"
_Name = Annotated[str, typer.Argument(metavar="NAME", help="As `otpconv vendors list` shows it.")]
_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--setting",
        metavar="NAME=VALUE",
        help="A setting of the kind that may be shown, e.g. access_key_id=LTAI5t.",
    ),
]
_Secrets = Annotated[
    Path | None,
    typer.Option(
        "--secrets",
        metavar="FILE",
        help="NAME=VALUE lines with the secrets of the kind; - is the standard input.",
    ),
]


@with_client
def create(
    client: Client,
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 64 of letters, digits and . - _ @")],
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="The kind of vendor: see `otpconv vendors kinds`.")
    ],
    provider: Annotated[
        str, typer.Option(metavar="PROVIDER", help="Gets the conversions of messages with this provider.")
    ],
    settings: _Set = None,
    secrets: _Secrets = None,
    per_second: Annotated[
        int, typer.Option(metavar="N", min=0, help="Calls per second at most; default: the kind's limit.")
    ] = 0,
    json: Json = False,
) -> None:
    """Create a vendor account; conversions that are reported from now on are passed on to it.

    Secrets are read from a file, from the standard input, or asked for on a terminal. They are encrypted at
    rest and never shown again. An option can't hold them, because other users can see it. With
    `--setting relay=off` nothing is passed on, no credentials are needed, and the vendor only pushes
    receipts: see `otpconv vendors receipts`. Needs the action `otpconv:ManageVendors`.

    Examples:
        otpconv vendors create ali --kind alibaba --provider ali --secrets key.txt

        otpconv vendors create own --kind webhook --provider acme --setting endpoint=https://acme.example/otp

        otpconv vendors create tw --kind twilio --provider twilio --setting relay=off --secrets token.txt
    """
    from otpconv.relay.kinds import KINDS
    from otpconv.service.vendor_values import settings_of

    values = pairs(settings or [], "--setting")
    found = KINDS.get(kind)
    known = () if found is None else settings_of(found)
    _check_no_secret(values, known)
    if found is not None and values.get("relay") == "off":
        known = found.for_receipts()
    values |= secrets_of(secrets, _asked(known))
    body = {"name": name, "kind": kind, "provider": provider, "settings": values, "per_second": per_second}
    created = client.call("POST", _PATH, body=body)
    tell(f"vendor account {created['name']} created", created, json=json)


@with_client
def list_vendors(
    client: Client,
    tz: Tz = None,
    json: Json = False,
) -> None:
    """List the vendor accounts, without their secrets.

    Examples:
        otpconv vendors list
    """
    vendors = client.call("GET", _PATH)["vendors"]
    tell_rows(
        ("name", "kind", "provider", "per_second", "paused", "created_at"),
        vendors,
        json=json,
        zone=zone_of(tz),
    )


@with_client
def prove(
    client: Client,
    name: _Name,
    json: Json = False,
) -> None:
    """Call the vendor to prove the credentials; the call changes nothing there.

    Exits with 1 if the vendor refuses them.

    Examples:
        otpconv vendors test ali
    """
    tested = client.call("POST", f"{_PATH}/{name}/test")
    if tested["proven"] is False and not json:
        raise Refused(f"{tested['code']}: {tested['text']}")
    tell(tested["text"], tested, json=json)
    if tested["proven"] is False:
        raise typer.Exit(1)


@with_client
def send(
    client: Client,
    name: _Name,
    switch: Annotated[Literal["on", "off"], typer.Argument(help="Whether it sends messages.")],
    json: Json = False,
) -> None:
    """Let a vendor account send messages that SDKs send with the server as their endpoint, or not.

    It is in force within a second. Needs the action `otpconv:ManageVendors`.

    Examples:
        otpconv vendors send ali on

        otpconv vendors send ali off
    """
    changed = client.call("POST", f"{_PATH}/{name}/send", body={"send": switch})
    tell(f"sending by {name} is {switch}", changed, json=json)


@with_client
def delete(
    client: Client,
    name: _Name,
    json: Json = False,
) -> None:
    """Delete a vendor account for good, and the reports that wait for it.

    Examples:
        otpconv vendors delete ali
    """
    deleted = client.call("DELETE", f"{_PATH}/{name}")
    tell(f"vendor account {name} deleted", deleted, json=json)


@with_client
def receipts(
    client: Client,
    name: _Name,
    new_secret: Annotated[
        bool, typer.Option("--new-secret", help="Make a new secret; the old URL stops working in a second.")
    ] = False,
    settings: _Set = None,
    secrets: _Secrets = None,
    json: Json = False,
) -> None:
    """Show the URL to which the vendor pushes receipts, and what to set at the vendor.

    The URL has a secret: whoever knows it can push receipts. Options change what concerns receipts; an empty
    value removes a setting. Needs the action `otpconv:ManageVendors`, and leaves a line in the audit trail.

    Examples:
        otpconv vendors receipts tw

        otpconv vendors receipts tw --new-secret

        otpconv vendors receipts tw --setting make_known=on --secrets token.txt
    """
    from otpconv.relay.kinds import KINDS
    from otpconv.service.vendor_values import settings_of

    values = pairs(settings or [], "--setting")
    _check_no_secret(values, [setting for kind in KINDS.values() for setting in settings_of(kind)])
    if secrets is not None:
        values |= secrets_of(secrets, {})
    body = {"settings": values, "new_secret": new_secret}
    shown = client.call("POST", f"{_PATH}/{name}/receipts", body=body)
    tell(f"{shown['url']}\n{shown['setup']}", shown, json=json)


def kinds(json: Json = False) -> None:
    """List the kinds of vendors, what they accept, and the settings that they need.

    Examples:
        otpconv vendors kinds
    """
    from otpconv.relay.kinds import KINDS
    from otpconv.service.vendor_values import settings_of

    rows = [
        {
            "kind": kind.name,
            "accepts": sorted(kind.feedbacks, reverse=True),
            "per_second": kind.per_second,
            "repeat": kind.repeat,
            "settings": [setting.name for setting in settings_of(kind) if not setting.secret],
            "secrets": [setting.name for setting in settings_of(kind) if setting.secret],
            "title": kind.title,
            "needs": kind.needs,
            "proven_by": kind.proven_by,
            "receipts_proven_by": kind.receipts.proven_by,
        }
        for kind in KINDS.values()
    ]
    tell_rows(("kind", "accepts", "per_second", "settings", "secrets", "title"), rows, json=json)


for _command in (create, list_vendors, send, delete, receipts, kinds):
    add(app, _command.__name__.removesuffix("_vendors"), _command)
add(app, "test", prove)


def _asked(known: "Iterable[Setting]") -> dict[str, bool]:
    """Return the secrets that a person types, and whether each is optional."""
    return {setting.name: setting.default == "" for setting in known if setting.secret}


def _check_no_secret(values: dict[str, str], known: "Iterable[Setting]") -> None:
    if shown := sorted(values.keys() & {setting.name for setting in known if setting.secret}):
        raise Misconfigured(f"{shown[0]} is a secret, and other users can see options: use --secrets")
