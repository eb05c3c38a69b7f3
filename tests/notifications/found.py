"""Alerts and targets for the tests of notifications."""

from otpconv.access.alert_targets import AlertTarget, Quiet, Rules
from otpconv.storage.alerts.contract import (
    Alert,
    AlertStore,
    Change,
    Checkpoint,
    Evidence,
    Found,
    Kind,
    Severity,
)

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: Some instant, a whole minute, ms.
NOW = 1_799_971_200_000
#: The account of all alerts here.
ACCOUNT = 1
ACME = (("country", "DE"), ("provider", "acme"))

__all__ = ["Quiet", "Rules"]


def found(
    kind: Kind = "conversion_fell",
    values: tuple[tuple[str, str], ...] = ACME,
    severity: Severity = "warning",
    since: int = NOW,
) -> Found:
    """A finding of a fall."""
    evidence = Evidence(requested=120, verified=61, expected=102.0, usual=0.85, first_attempts=True)
    return Found(kind, values, severity, since, since - MINUTE, since + MINUTE, evidence)


def alert(number: int = 1, **fields: object) -> Alert:
    """An alert that lasts."""
    usual = {
        "account": ACCOUNT,
        "found": found(),
        "state": "open",
        "found_at": NOW,
        "updated_at": NOW,
        "resolved_at": None,
        "changed_at": NOW,
        "changed_by": "",
        "snoozed_until": None,
        "note": "",
    }
    return Alert(id=number, **(usual | fields))  # type: ignore[arg-type]


def target(number: int = 1, **fields: object) -> AlertTarget:
    """A target that exists since a day."""
    usual = {
        "name": f"target-{number}",
        "kind": "webhook",
        "settings": {"endpoint": "http://127.0.0.1:1"},
        "secrets": {"signing_secret": "sixteen characters"},
        "account": ACCOUNT,
        "created_at": NOW - DAY,
    }
    return AlertTarget(id=number, **(usual | fields))  # type: ignore[arg-type]


class Detectors:
    """Moves the checkpoint of the account, and opens and resolves alerts.

    Args:
        alerts: the alerts.
    """

    def __init__(self, alerts: AlertStore) -> None:
        self._alerts = alerts
        before = alerts.checkpoint(ACCOUNT)
        self._at = None if before is None else before.at

    def record(self, at: int, *changes: Change) -> None:
        """Record findings until a time, ms."""
        assert self._alerts.record(ACCOUNT, self._at, Checkpoint(at, {}), changes)
        self._at = at
