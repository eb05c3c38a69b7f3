"""Says in words what an alert is, and what to do about it. Pure."""

from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import Final

from otpconv.alerts.showing.cost import CostSoFar
from otpconv.clock import duration, iso_8601
from otpconv.money import MICROS, amount_text
from otpconv.rates.slices import Slice
from otpconv.storage.alerts.contract import Alert, Evidence, Kind, Values

#: What each kind is called: a heading.
TITLES: Final[dict[Kind, str]] = {
    "conversion_fell": "Conversion fell",
    "reporter_stopped": "Reporter stopped",
    "nothing_sent": "Nothing is sent",
    "slower": "Codes are entered later",
    "volume": "Unusually many messages",
    "codes_entered": "Codes may be entered by the supplier",
    "reports_late": "Reports arrive late",
    "relay_behind": "Relay is behind",
    "dead_letters": "Dead letters grow",
}


def label_of(values: Values) -> str:
    """Return the name of a slice for people."""
    return Slice(values).label


def summary(alert: Alert) -> str:
    """Return the evidence in one sentence."""
    return _SUMMARIES[alert.found.kind](alert.found.evidence)


def when(alert: Alert, zone: tzinfo = UTC) -> str:
    """Return since when, with the interval of that time."""
    found = alert.found
    low, high = iso_8601(found.since_low, zone), iso_8601(found.since_high, zone)
    return f"since about {iso_8601(found.since, zone)} (between {low} and {high})"


def cost_words(alert: Alert, cost: CostSoFar) -> list[str]:
    """Return what an alert has cost so far, in sentences; empty if its kind has no such number."""
    missing = cost.missing
    if missing is None:
        return []
    number = f"{missing.number:,.0f} ({missing.low:,.0f} to {missing.high:,.0f})"
    of_first = " of first attempts" if alert.found.evidence.first_attempts else ""
    texts = {
        "conversion_fell": f"About {number} codes{of_first} were not verified that usually are.",
        "reporter_stopped": f"About {number} reports are missing. The codes were probably verified.",
        "nothing_sent": f"About {number} messages are missing.",
        "volume": f"About {number} messages more than usual were sent.",
    }
    words = [texts[alert.found.kind]] if alert.found.kind in texts else []
    if cost.wasted:
        amounts = " and ".join(f"{amount_text(one.micros / MICROS)} {one.currency}" for one in cost.wasted)
        least = "at least " if cost.unpriced else ""
        words.append(f"They cost {least}{amounts}.")
    if cost.unpriced and alert.found.kind in {"conversion_fell", "volume"}:
        words.append(f"{cost.unpriced:,} messages since then have no price.")
    return words


def _verified(seen: Evidence) -> str:
    of = "first attempts" if seen.first_attempts else "messages"
    share = f" ({seen.verified / seen.requested:.1%})" if seen.requested else ""
    return f"{seen.verified:,} of {seen.requested:,} {of} were verified{share}"


def _expected(seen: Evidence) -> str:
    band = f" ({seen.expected_low:,.0f} to {seen.expected_high:,.0f})" if seen.expected_high > 0 else ""
    return f"{seen.expected:,.0f}{band}"


def _delays(seen: Evidence) -> str:
    def text(delay: int | None) -> str:
        return "an unknown time" if delay is None else duration(delay)

    return (
        f"{text(seen.p50_ms)} and 90 % within {text(seen.p90_ms)}; usually {text(seen.usual_p50_ms)} and"
        f" {text(seen.usual_p90_ms)}"
    )


def _fell(seen: Evidence) -> str:
    return f"{_verified(seen)}; {_expected(seen)} were expected."


def _entered(seen: Evidence) -> str:
    fast = f", half of them within {duration(seen.p50_ms)}" if seen.p50_ms is not None else ""
    return f"{_verified(seen)}{fast}; {_expected(seen)} were expected."


def _stopped(seen: Evidence) -> str:
    return (
        f"{seen.requested:,} messages were requested, but no reports about them arrived;"
        f" {_expected(seen)} reports were expected."
    )


def _number(seen: Evidence) -> str:
    return f"{seen.requested:,} messages were requested; {_expected(seen)} were expected."


def _slower(seen: Evidence) -> str:
    return f"Half of the codes are entered within {_delays(seen)}."


def _late(seen: Evidence) -> str:
    return f"{seen.waiting:,} reports came late; the newest ones by {duration(seen.late_ms)}."


def _behind(seen: Evidence) -> str:
    return f"{seen.waiting:,} reports wait; the oldest is late by {duration(seen.late_ms)}."


def _refused(seen: Evidence) -> str:
    return f"The vendor refused {seen.waiting:,} reports."


_SUMMARIES: Final[dict[Kind, Callable[[Evidence], str]]] = {
    "conversion_fell": _fell,
    "reporter_stopped": _stopped,
    "nothing_sent": _number,
    "slower": _slower,
    "volume": _number,
    "codes_entered": _entered,
    "reports_late": _late,
    "relay_behind": _behind,
    "dead_letters": _refused,
}
