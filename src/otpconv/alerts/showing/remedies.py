"""Says in words what to do about an alert. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from otpconv.alerts.showing.routes import Place
from otpconv.storage.alerts.contract import Alert, Kind

#: What to do, where the provider makes no difference.
_REMEDIES: Final[dict[Kind, str]] = {
    "reporter_stopped": (
        "The application has probably stopped reporting conversions. Run `otpconv spool status` on its"
        " machine, and look for errors in its log, e.g. of a disabled access key. Rates of these messages are"
        " too low until it reports again."
    ),
    "nothing_sent": (
        "Check that the application works, and that it still reports its messages. Look for a failed"
        " deployment, or for traffic that was moved elsewhere."
    ),
    "volume": (
        "Check whether a campaign explains it. If not, it may be fraud: look for number ranges whose codes"
        " nobody enters, and limit the codes per user and address."
    ),
    "codes_entered": (
        "Do not give this route more traffic because of its rate. Ask some users whether they got their"
        " codes, and compare how many accounts are used after the verification."
    ),
    "reports_late": (
        "The application's spool, queue or consumer is behind: run `otpconv spool status` on its machine, or"
        " look at the lag of its consumer. Rates since then are not complete until it has caught up. If"
        " nothing waits there, check the clock of that machine."
    ),
    "relay_behind": "The page of the relay shows the error of the vendor. No report is lost.",
    "dead_letters": (
        "The page of the relay lists the dead letters, each with the vendor's error and a remedy. Then send"
        " them again."
    ),
}
_BY_PROVIDER: Final[dict[Kind, str]] = {
    "conversion_fell": "Send the ticket to {provider}.",
    "slower": "Codes arrive late. Send the ticket to {provider}.",
}
_BY_ALL: Final[dict[Kind, str]] = {
    "conversion_fell": (
        "No single provider explains it: look at the last change of your login page and of your templates,"
        " and at each provider on the dashboard."
    ),
    "slower": "Codes arrive late by all providers. Check how long your application takes to send them.",
}


def advise(alert: Alert, places: Sequence[Place] | None) -> list[str]:
    """Return what to do about an alert, in sentences.

    Args:
        alert: the alert.
        places: where its messages went, with the healthy routes to there; None where that does not help.
    """
    kind, provider = alert.found.kind, dict(alert.found.values).get("provider")
    if kind in _REMEDIES:
        first = _REMEDIES[kind]
    elif provider:
        first = _BY_PROVIDER[kind].format(provider=provider)
    else:
        first = _BY_ALL[kind]
    return [first, *_moves(places or ())]


def _moves(places: Sequence[Place]) -> Iterator[str]:
    for place in places:
        if not place.routes:
            continue
        best = place.routes[0]
        low, high = best.interval
        yield (
            f"Move traffic to {place_name(place)} to {best.provider or 'the unknown provider'}:"
            f" {best.rate:.1%} of its {best.requested:,} newest codes were verified ({low:.1%} to"
            f" {high:.1%})."
        )
    for others, why in ((True, "is surely healthy"), (False, "sends there")):
        names = [place_name(place) for place in places if not place.routes and bool(place.others) == others]
        if names:
            yield f"No other provider to {', '.join(names)} {why}."


def place_name(place: Place) -> str:
    """Return the name of a place for people, e.g. "Telekom in DE"."""
    country = place.country or "an unknown country"
    return f"{place.carrier} in {country}" if place.carrier else country
