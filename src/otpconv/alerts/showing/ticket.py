"""The text of a ticket to a vendor: what fails, since when, and examples. It has no phone numbers. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from otpconv.alerts.showing.messages import Examples
from otpconv.alerts.showing.words import label_of
from otpconv.clock import duration
from otpconv.storage.alerts.contract import Alert, Kind

_SUBJECTS: Final[dict[Kind, str]] = {
    "conversion_fell": "codes are not verified",
    "slower": "codes arrive late",
    "codes_entered": "implausible verifications",
}
_OPENINGS: Final[dict[Kind, str]] = {
    "conversion_fell": "one-time passwords that we send by you are verified much less often than usual",
    "slower": "one-time passwords that we send by you are entered much later than usual",
    "codes_entered": "one-time passwords that we send by you are verified in a way that is not plausible",
}
_REQUESTS: Final[dict[Kind, str]] = {
    "conversion_fell": "Please check this route, tell us the cause, and tell us when it is fixed.",
    "slower": "Please check what delays these messages, and tell us when it is fixed.",
    "codes_entered": (
        "Please send us the delivery receipts of the networks for these messages, and name the route of each."
    ),
}


def ticket(alert: Alert, examples: Examples) -> str | None:
    """Return the text of a ticket; None for alerts that a vendor can't fix.

    Args:
        alert: the alert.
        examples: some of its messages.
    """
    provider, kind = dict(alert.found.values).get("provider"), alert.found.kind
    if not provider or kind not in _OPENINGS:
        return None
    since = _minute(alert.found.since)
    lines = [
        f"Subject: {label_of(alert.found.values)}: {_SUBJECTS[kind]} since {since}",
        "",
        f"Dear {provider} team,",
        "",
        f"Since about {since}, {_OPENINGS[kind]}.",
        "",
        *(f"{name + ':':16}{text}" for name, text in _facts(alert, examples)),
        "",
        _REQUESTS[kind],
    ]
    return "".join(f"{line}\n" for line in lines)


def _facts(alert: Alert, examples: Examples) -> Iterator[tuple[str, str]]:
    found, seen = alert.found, alert.found.evidence
    values = dict(found.values)
    yield "Began", f"between {_minute(found.since_low)} and {_minute(found.since_high)}"
    if alert.resolved_at is not None:
        yield "Ended", f"about {_minute(alert.resolved_at)}"
    if values.get("country"):
        yield "Country", values["country"]
    if values.get("carrier"):
        yield "Carrier", values["carrier"]
    elif examples.carriers:
        yield "Carriers", ", ".join(f"{name} ({count:,})" for name, count in examples.carriers)
    if examples.ranges:
        yield "Number ranges", ", ".join(f"{name}xxxx ({count:,})" for name, count in examples.ranges)
    if seen.expected:
        band = f"{seen.expected_low:,.0f} to {seen.expected_high:,.0f}"
        of = "first attempts" if seen.first_attempts else "messages"
        yield "Expected", f"{seen.expected:,.0f} of {seen.requested:,} {of} verified ({band})"
        yield "Seen", f"{seen.verified:,} of {seen.requested:,} {of} verified"
    if seen.p90_ms is not None and seen.usual_p90_ms is not None:
        yield "Usual delay", f"90 % of the codes are entered within {duration(seen.usual_p90_ms)}"
        yield "Delay now", f"90 % of the codes are entered within {duration(seen.p90_ms)}"
    if examples.ids:
        yield "Message ids", ", ".join(examples.ids)


def _minute(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
