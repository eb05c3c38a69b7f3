"""`otpconv alerts`: falls of conversion rates."""

from typing import Annotated

import typer

from otpconv.cli.alert_show import show
from otpconv.cli.client import Client
from otpconv.cli.manual import add
from otpconv.cli.options import (
    DEFAULT_ENDPOINT,
    DEFAULT_KEY_FILE,
    AccessKeyId,
    AccessKeySecret,
    Endpoint,
    Json,
    KeyFile,
    Tz,
)
from otpconv.cli.rates_options import End
from otpconv.cli.telling import tell, tell_rows
from otpconv.cli.zone import zone_of
from otpconv.clock import wall_clock
from otpconv.times import parse_time

app = typer.Typer(no_args_is_help=True, help="Find falls of conversion rates.")

_Start = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Start of the time to replay, e.g. 30d or ISO 8601; default: 7 days ago."
    ),
]
_Budget = Annotated[
    float | None, typer.Option(metavar="N", help="The false alarms that you accept in a month; default: 1.")
]


def replay(
    start: _Start = None,
    end: End = None,
    budget: _Budget = None,
    tz: Tz = None,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    access_key_id: AccessKeyId = None,
    access_key_secret: AccessKeySecret = None,
    key_file: KeyFile = DEFAULT_KEY_FILE,
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
    client = Client(endpoint, access_key_id, access_key_secret, key_file)
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


add(app, "replay", replay)
add(app, "show", show)
