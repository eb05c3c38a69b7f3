"""Alerts of the tests, as a detector would have found them."""

from otpconv.storage.alerts.contract import Alert, Evidence, Found, Kind, Values
from otpconv.storage.contract import HOUR_MS, MINUTE_MS

#: A Saturday at noon, UTC, ms.
NOW = 20_785 * 24 * HOUR_MS + 12 * HOUR_MS
#: Since when the slice of an alert fails, ms.
SINCE = NOW - 3 * HOUR_MS


def alert(
    kind: Kind = "conversion_fell",
    values: Values = (("country", "DE"), ("provider", "acme")),
    evidence: Evidence | None = None,
    *,
    since: int = SINCE,
    resolved_at: int | None = None,
) -> Alert:
    seen = evidence or Evidence(
        requested=300, verified=30, expected=240.0, expected_low=226.0, expected_high=254.0, usual=0.8
    )
    found = Found(kind, values, "critical", since, since - 5 * MINUTE_MS, since + 5 * MINUTE_MS, seen)
    return Alert(
        7,
        1,
        found,
        "open" if resolved_at is None else "resolved",
        since + 10 * MINUTE_MS,
        NOW,
        resolved_at,
        since + 10 * MINUTE_MS,
        "",
        None,
        "",
    )
