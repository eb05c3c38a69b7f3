"""Findings of detectors, for the tests of alerts."""

from otpconv.storage.alerts.contract import Change, Checkpoint, Ended, Evidence, Found, Kind, Severity, Values

MINUTE = 60_000
NOW = 1_800_000_000_000
GERMANY: Values = (("country", "DE"),)
ACME: Values = (("country", "DE"), ("provider", "acme"))


def found(
    values: Values = GERMANY,
    severity: Severity = "warning",
    *,
    kind: Kind = "conversion_fell",
    verified: int = 0,
) -> Found:
    evidence = Evidence(requested=100, verified=verified, expected=85.5, usual=0.855)
    return Found(kind, values, severity, NOW - MINUTE, NOW - 2 * MINUTE, NOW, evidence)


def ended(change: Change) -> Ended:
    return Ended(change.kind, change.values)


def minute(number: int, **parts: bytes) -> Checkpoint:
    """The checkpoint some minutes after `NOW`."""
    return Checkpoint(NOW + number * MINUTE, parts)
