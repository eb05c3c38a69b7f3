"""`otpconv advice`: how to divide first attempts among providers."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from otpconv.cli.characters import as_json, visible
from otpconv.cli.client import Client
from otpconv.cli.client_options import with_client
from otpconv.cli.options import Json
from otpconv.cli.telling import tell_rows
from otpconv.money import amount_text

_Country = Annotated[str, typer.Option(metavar="CC", help="The country, e.g. DE.")]
_Explain = Annotated[bool, typer.Option("--explain", help="Print the reasons for each weight.")]
_Confirmed = Annotated[
    list[str] | None,
    typer.Option(
        "--confirmed", metavar="PROVIDER", help="Its rate is real, so its gain has no limit; repeatable."
    ),
]
_Seed = Annotated[int | None, typer.Option(min=0, help="Repeats an answer; default: the number of the day.")]
_Floor = Annotated[float | None, typer.Option(help="The least weight of a route, e.g. 0.05.")]
_Holdout = Annotated[float | None, typer.Option(help="The part that is divided evenly, e.g. 0.1.")]
_Gain = Annotated[
    float | None, typer.Option(help="The most that a route gains over its current share, e.g. 0.15.")
]
_Tolerance = Annotated[
    float | None, typer.Option(help="Rates so close are equally good, and the price decides, e.g. 0.02.")
]


@with_client
def advice(
    client: Client,
    country: _Country,
    explain: _Explain = False,
    confirmed: _Confirmed = None,
    floor: _Floor = None,
    holdout: _Holdout = None,
    gain: _Gain = None,
    tolerance: _Tolerance = None,
    seed: _Seed = None,
    json: Json = False,
) -> None:
    """Advise how to divide the first attempts to a country among providers.

    The advice sends nothing: your application uses the weights. A provider whose codes are entered too fast
    and too evenly, or that converts far better than all others, gains no traffic until you confirm it.

    Examples:
        otpconv advice --country DE

        otpconv advice --country DE --explain

        otpconv advice --country DE --confirmed acme --json
    """
    given = {"floor": floor, "holdout": holdout, "gain": gain, "tolerance": tolerance, "seed": seed}
    params: dict[str, str | list[str]] = {"country": country, "confirmed": confirmed or []}
    params |= {
        name: f"{value:f}" if isinstance(value, float) else str(value)
        for name, value in given.items()
        if value is not None
    }
    answer = client.call("GET", "/v1/advice", params=params)
    if json:
        typer.echo(as_json(answer))
        return
    if not answer["routes"]:
        typer.echo(
            f"no first attempts to {visible(country)} are older than an hour: report messages with attempt 1"
        )
        return
    _print(answer["routes"], explain=explain)
    for carrier in answer["carriers"]:
        typer.echo(f"\n{visible(carrier['carrier'])}")
        _print(carrier["routes"], explain=explain)


def _print(routes: Sequence[dict[str, Any]], *, explain: bool) -> None:
    priced = any(route["price"] is not None for route in routes)
    rows = [
        {
            "provider": route["provider"] or "unknown",
            "weight": f"{route['weight']:.0%}",
            "share now": f"{route['share']:.0%}",
            "rate": f"{route['rate']:.1%}",
            "95 %": f"{route['rate_low']:.1%} to {route['rate_high']:.1%}",
            "attempts": f"{route['attempts']:,}",
            **_cost(route, priced=priced),
        }
        for route in routes
    ]
    tell_rows(list(rows[0]), rows, json=False)
    if explain:
        for route in routes:
            typer.echo(visible(f"{route['provider'] or 'unknown'}: {' '.join(route['reasons'])}"))


def _cost(route: dict[str, Any], *, priced: bool) -> dict[str, str]:
    """Return the columns of money; there are none if no route has a price."""
    if not priced:
        return {}
    if route["price"] is None:
        return {"price": "-", "per verified": "-"}
    return {
        "price": f"{amount_text(route['price'])} {route['currency']}",
        "per verified": f"{amount_text(route['cost_per_verified'])} {route['currency']}"
        f" ({amount_text(route['cost_low'])} to {amount_text(route['cost_high'])})",
    }
