"""`otpconv alerts targets`: where alerts are sent to."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.given_values import pairs, secrets_of
from otpconv.cli.manual import add
from otpconv.cli.options import Json, Tz
from otpconv.cli.telling import tell, tell_members, tell_rows
from otpconv.cli.zone import zone_of
from otpconv.errors import Misconfigured, Refused
from otpconv.times import parse_duration

app = typer.Typer(no_args_is_help=True, help="Send alerts by mail, chat, webhooks or Alertmanager.")

_PATH = "/v1/alert-targets"
_Name = Annotated[str, typer.Argument(metavar="NAME", help="As `otpconv alerts targets list` shows it.")]
_New = Annotated[str, typer.Argument(metavar="NAME", help="1 to 64 of letters, digits and . - _ @")]
_Kind = Annotated[
    Literal["apprise", "webhook", "alertmanager"],
    typer.Option(help="apprise: mail, Slack, Teams, Telegram, PagerDuty and others by the URL of apprise."),
]
_Set = Annotated[
    list[str] | None,
    typer.Option("--setting", metavar="NAME=VALUE", help="endpoint=URL, of a webhook or of Alertmanager."),
]
_Secrets = Annotated[
    Path | None,
    typer.Option(
        "--secrets",
        metavar="FILE",
        help="NAME=VALUE lines: url of apprise; signing_secret of a webhook; - is the standard input.",
    ),
]
_Alerts = Annotated[
    str | None,
    typer.Option(metavar="KINDS", help="Only these kinds of alerts, e.g. conversion_fell,volume."),
]
_Severity = Annotated[
    Literal["warning", "critical"], typer.Option(help="The least severity: critical leaves warnings out.")
]
_Slices = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="DIMENSION=VALUES",
        help="Only alerts that name one of these values, e.g. country=DE,FR.",
    ),
]
_Group = Annotated[
    Literal["off", "kind", "account"],
    typer.Option(help="Which alerts go into one notification: those of a kind, or all of the account."),
]
_GroupFor = Annotated[
    str | None, typer.Option(metavar="LENGTH", help="How long they are collected, e.g. 5m; default: 1m.")
]
_Repeat = Annotated[
    str | None,
    typer.Option(metavar="LENGTH", help="Say again that an alert lasts, e.g. every 4h; default: never."),
]
_Quiet = Annotated[
    str | None,
    typer.Option(metavar="HH:MM-HH:MM", help="Send nothing in these hours, but a summary at their end."),
]
_QuietTz = Annotated[str, typer.Option(metavar="ZONE", help="The IANA time zone of --quiet.")]
_QuietCritical = Annotated[
    bool, typer.Option("--quiet-critical", help="In quiet hours, critical alerts wait, too.")
]


@with_client
def create(
    client: Client,
    name: _New,
    kind: _Kind,
    settings: _Set = None,
    secrets: _Secrets = None,
    alerts: _Alerts = None,
    severity: _Severity = "warning",
    only: _Slices = None,
    group: _Group = "off",
    group_for: _GroupFor = None,
    repeat: _Repeat = None,
    quiet: _Quiet = None,
    quiet_tz: _QuietTz = "UTC",
    quiet_critical: _QuietCritical = False,
    json: Json = False,
) -> None:
    """Create a target, which gets what happens to alerts from now on.

    Secrets are read from a file, from the standard input, or asked for on a terminal. They are encrypted at
    rest and never shown again. An option can't hold them, because other users can see it. Needs the action
    `otpconv:ManageAlertTargets`.

    Examples:
        otpconv alerts targets create team --kind apprise --quiet 22:00-07:00 --quiet-tz Europe/Berlin

        otpconv alerts targets create am --kind alertmanager --setting endpoint=http://alertmanager:9093
    """
    from otpconv.notifications.kinds import VALUES

    known = {value.name: value for value in VALUES[kind]}
    values = pairs(settings or [], "--setting")
    if shown := [value for value in values if value in known and known[value].secret]:
        raise Misconfigured(f"{shown[0]} is a secret, and other users can see options: use --secrets")
    needed = any(value.secret and value.required for value in known.values())
    if needed or secrets is not None:
        asked = {value.name: not value.required for value in known.values() if value.secret}
        values |= secrets_of(secrets, asked)
    times = {
        name: parse_duration(text, f"--{option}")
        for name, option, text in (("group_ms", "group-for", group_for), ("repeat_ms", "repeat", repeat))
        if text is not None
    }
    rules = {"severity": severity, "group": group, **times, **_filters(alerts, only)}
    if quiet is not None:
        rules["quiet"] = _quiet(quiet, quiet_tz, quiet_critical)
    body = {"name": name, "kind": kind, "settings": values, "rules": rules}
    created = client.call("POST", _PATH, body=body)
    tell(f"target {created['name']} created; try it: otpconv alerts targets test {name}", created, json=json)


@with_client
def list_targets(client: Client, tz: Tz = None, json: Json = False) -> None:
    """List the targets, when each last took a notification, and why it fails.

    Examples:
        otpconv alerts targets list
    """
    targets = client.call("GET", _PATH)["targets"]
    rows = [target | {"failing_since_at": target["failing_since"]} for target in targets]
    columns = ("name", "kind", "sent", "waiting", "given_up", "last_sent_at", "failing_since_at", "error")
    tell_rows(columns, targets if json else rows, json=json, zone=zone_of(tz))


@with_client
def show(client: Client, name: _Name, tz: Tz = None, json: Json = False) -> None:
    """Show a target, without its secrets.

    Examples:
        otpconv alerts targets show oncall
    """
    tell_members(client.call("GET", f"{_PATH}/{name}"), json=json, zone=zone_of(tz))


@with_client
def prove(client: Client, name: _Name, json: Json = False) -> None:
    """Send a test notification now, whatever the rules of the target say.

    Exits with 1 if it can't be sent.

    Examples:
        otpconv alerts targets test oncall
    """
    tested = client.call("POST", f"{_PATH}/{name}/test")
    if not tested["sent"] and not json:
        raise Refused(tested["text"])
    tell(tested["text"], tested, json=json)
    if not tested["sent"]:
        raise typer.Exit(1)


@with_client
def retry(client: Client, name: _Name, json: Json = False) -> None:
    """Send notifications that were given up again, e.g. once the target works.

    The server keeps the newest 200 of them. They are sent with their old ids.

    Examples:
        otpconv alerts targets retry oncall
    """
    retried = client.call("POST", f"{_PATH}/{name}/retry")
    tell(f"{retried['retried']} notifications are sent again", retried, json=json)


@with_client
def delete(client: Client, name: _Name, json: Json = False) -> None:
    """Delete a target for good, and the notifications that wait for it.

    Examples:
        otpconv alerts targets delete oncall
    """
    deleted = client.call("DELETE", f"{_PATH}/{name}")
    tell(f"target {name} deleted", deleted, json=json)


for _command in (create, list_targets, show, retry, delete):
    add(app, _command.__name__.removesuffix("_targets"), _command)
add(app, "test", prove)


def _filters(alerts: str | None, only: list[str] | None) -> dict[str, Any]:
    """Return the rules that leave alerts out."""
    filters: dict[str, Any] = {} if alerts is None else {"kinds": alerts.split(",")}
    if only:
        filters["slices"] = {name: values.split(",") for name, values in pairs(only, "--only").items()}
    return filters


def _quiet(hours: str, zone: str, critical: bool) -> dict[str, Any]:
    """Return the rule of quiet hours."""
    start, _, end = hours.partition("-")
    return {"start": start, "end": end, "tz": zone, "critical": critical}
