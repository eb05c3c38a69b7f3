"""`otpconv alerts`: the findings of the detectors, now and in a replay of the past."""

from collections.abc import Mapping
from typing import Annotated

import typer

from otpconv.cli import alert_targets
from otpconv.cli.alert_show import show
from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.manual import add
from otpconv.cli.options import Json, Tz
from otpconv.cli.rates_options import End
from otpconv.cli.telling import tell, tell_rows
from otpconv.cli.zone import zone_of
from otpconv.clock import wall_clock
from otpconv.times import parse_duration, parse_time

app = typer.Typer(no_args_is_help=True, help="List, acknowledge and snooze alerts, and replay the past.")

_PATH = "/v1/alerts"
_Id = Annotated[int, typer.Argument(metavar="ID", min=1, help="As `otpconv alerts list` shows it.")]
_State = Annotated[
    str | None,
    typer.Option(
        metavar="STATES",
        help="open, acknowledged, snoozed, resolved, or several with commas; default: all that last.",
    ),
]
_Top = Annotated[int, typer.Option(min=1, max=200, help="How many at most, the newest first.")]
_Before = Annotated[
    int | None,
    typer.Option("--before-id", metavar="ID", help="Only those with smaller ids, e.g. the last of a page."),
]
_For = Annotated[str, typer.Option("--for", metavar="LENGTH", help="How long, e.g. 30m, 2h or 7d.")]
_Note = Annotated[str, typer.Option(metavar="TEXT", help="A line for your team, at most 1,000 characters.")]
_Start = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Start of the time to replay, e.g. 30d or ISO 8601; default: 7 days ago."
    ),
]
_Budget = Annotated[
    float | None, typer.Option(metavar="N", help="The false alarms that you accept in a month; default: 1.")
]


@with_client
def list_alerts(
    client: Client,
    state: _State = None,
    top: _Top = 50,
    before: _Before = None,
    tz: Tz = None,
    json: Json = False,
) -> None:
    """List alerts, the newest first; by default, those that last.

    Examples:
        otpconv alerts list

        otpconv alerts list --state resolved --top 10 --json
    """
    params = {"limit": str(top)}
    if state is not None:
        params["state"] = state
    if before is not None:
        params["before"] = str(before)
    alerts = client.call("GET", _PATH, params=params)["alerts"]
    if json:
        tell_rows((), alerts, json=True)
        return
    columns = ("id", "state", "severity", "kind", "slice", "since_at", "found_at", "changed_by", "note")
    rows = [alert | {"slice": alert["label"], "since_at": alert["since"]} for alert in alerts]
    tell_rows(columns, rows, json=False, zone=zone_of(tz))


@with_client
def acknowledge(client: Client, alert: _Id, note: _Note = "", json: Json = False) -> None:
    """Say that you take care of an alert. It lasts until the detectors no longer find it.

    Examples:
        otpconv alerts acknowledge 12 --note "acme is looking at it"
    """
    changed = client.call("POST", f"{_PATH}/{alert}/acknowledge", body={"note": note})
    tell(_told(changed), changed, json=json)


@with_client
def snooze(client: Client, alert: _Id, length: _For, note: _Note = "", json: Json = False) -> None:
    """Silence an alert for some time, at most 90 days. Then it is open again, unless it is resolved.

    Examples:
        otpconv alerts snooze 12 --for 2h

        otpconv alerts snooze 12 --for 7d --note "acme changes its route on Monday"
    """
    body = {"for_ms": parse_duration(length, "--for"), "note": note}
    changed = client.call("POST", f"{_PATH}/{alert}/snooze", body=body)
    tell(_told(changed), changed, json=json)


def _told(alert: Mapping[str, object]) -> str:
    already = " already" if alert["state"] == "resolved" else ""
    return f"alert {alert['id']}, {alert['label']}, is {alert['state']}{already}"


@with_client
def replay(
    client: Client,
    start: _Start = None,
    end: End = None,
    budget: _Budget = None,
    tz: Tz = None,
    json: Json = False,
) -> None:
    """Show which falls a watch would have found in the past, and when.

    It learns the usual rates from the 28 days before, and watches all traffic, each country, each provider,
    and each provider in a country. A smaller budget of false alarms finds the same falls later.

    Examples:
        otpconv alerts replay --start 30d

        otpconv alerts replay --start 2026-01-01 --end 2026-02-01 --budget 0.1 --json
    """
    zone, now = zone_of(tz), wall_clock()
    params: dict[str, str | list[str]] = {
        name: str(parse_time(text, f"--{name}", now=now, tz=zone))
        for name, text in (("start", start), ("end", end))
        if text is not None
    }
    if budget is not None:
        params["budget"] = str(budget)
    answer = client.call("GET", "/v1/alerts/replay", params=params)
    if json or not answer["findings"]:
        tell(f"nothing found; {answer['watched']} slices were watched at the end", answer, json=json)
        return
    rows = [
        {
            "slice": finding["label"],
            "since_at": finding["since"],
            "found_at": finding["found_at"],
            "ended_at": finding["until"],
            "messages": finding["requested"],
            "verified": finding["verified"],
            "expected": round(finding["expected"]),
        }
        for finding in answer["findings"]
    ]
    tell_rows(list(rows[0]), rows, json=False, zone=zone)


for _command in (list_alerts, show, acknowledge, snooze, replay):
    add(app, _command.__name__.removesuffix("_alerts"), _command)
app.add_typer(alert_targets.app, name="targets")
