"""The JSON of alerts. Times are in ms, UTC."""

from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import asdict

from otpconv.alerts.showing.words import label_of
from otpconv.storage.alerts.contract import (
    MAX_NOTE,
    MAX_SNOOZE_MS,
    Alert,
    Evidence,
    Kind,
    Severity,
    State,
)
from otpconv.storage.contract import DAY_MS

ALERTS_PATH: Final = "/v1/alerts"

_Note = Annotated[
    str, Meta(max_length=MAX_NOTE, description=f"For your team, one line of at most {MAX_NOTE:,} characters")
]
_LONGEST: Final = f"at most {MAX_SNOOZE_MS // DAY_MS} days from now"


class EvidenceOut(Struct):
    """The expected and the seen figures since the alert began; 0 or null: not of this kind of alert."""

    requested: Annotated[int, Meta(description="Messages")]
    verified: Annotated[int, Meta(description="Those of them that are verified")]
    expected: Annotated[
        float,
        Meta(
            description="The number to expect: of verified messages (`conversion_fell`, `codes_entered`),"
            " of reported ones (`reporter_stopped`), or of messages (`nothing_sent`, `volume`)"
        ),
    ]
    expected_low: Annotated[float, Meta(description="The band that it lies in with 95 %")]
    expected_high: float
    usual: Annotated[float | None, Meta(description="The usual rate")]
    first_attempts: Annotated[bool, Meta(description="Whether only first attempts are counted")]
    p50_ms: Annotated[int | None, Meta(description="Within this delay, half of the codes are entered")]
    p90_ms: int | None
    usual_p50_ms: int | None
    usual_p90_ms: int | None
    waiting: Annotated[
        int, Meta(description="Conversions that a vendor is to get, dead letters, or reports that came late")
    ]
    late_ms: Annotated[
        int,
        Meta(description="How late the oldest or newest one is, or how long ago the last report came"),
    ]

    @classmethod
    def of(cls, evidence: Evidence) -> "EvidenceOut":
        """Return the JSON of evidence."""
        return cls(**asdict(evidence))


class AlertOut(Struct):
    """An alert."""

    id: int
    kind: Kind
    label: Annotated[str, Meta(description="The name of the slice for people")]
    slice: Annotated[
        dict[str, str],
        Meta(description="The dimensions and values of the messages; a vendor account is `vendor`"),
    ]
    severity: Severity
    state: State
    since: Annotated[int, Meta(description="About when it began")]
    since_low: Annotated[int, Meta(description="The interval of `since`, 95 %")]
    since_high: int
    found_at: Annotated[int, Meta(description="When it was opened")]
    updated_at: Annotated[int, Meta(description="When it was last found")]
    resolved_at: Annotated[int | None, Meta(description="Null while it lasts")]
    changed_at: Annotated[int, Meta(description="When its state last changed")]
    changed_by: Annotated[str, Meta(description="Who changed its state; empty: otpconv itself")]
    snoozed_until: Annotated[int | None, Meta(description="Null unless it is snoozed")]
    note: Annotated[str, Meta(description="What the last user who acknowledged or snoozed it wrote")]
    evidence: EvidenceOut


class AlertsOut(Struct):
    """Alerts, the newest first."""

    alerts: list[AlertOut]


class AcknowledgeIn(Struct, forbid_unknown_fields=True):
    """Somebody takes care of an alert."""

    note: _Note = ""


class SnoozeIn(Struct, forbid_unknown_fields=True):
    """An alert is not to disturb for some time; give `until` or `for_ms`."""

    until: Annotated[
        int | str | None,
        Meta(extra_json_schema={"description": f"A time, e.g. `2026-01-31T12:00Z` or in ms; {_LONGEST}"}),
    ] = None
    for_ms: Annotated[
        int | None,
        Meta(extra_json_schema={"description": "How long, ms", "minimum": 1, "maximum": MAX_SNOOZE_MS}),
    ] = None
    note: _Note = ""


def alert_out(alert: Alert) -> AlertOut:
    """Return the JSON of an alert."""
    found = alert.found
    return AlertOut(
        id=alert.id,
        kind=found.kind,
        label=label_of(found.values),
        slice=dict(found.values),
        severity=found.severity,
        state=alert.state,
        since=found.since,
        since_low=found.since_low,
        since_high=found.since_high,
        found_at=alert.found_at,
        updated_at=alert.updated_at,
        resolved_at=alert.resolved_at,
        changed_at=alert.changed_at,
        changed_by=alert.changed_by,
        snoozed_until=alert.snoozed_until,
        note=alert.note,
        evidence=EvidenceOut.of(found.evidence),
    )
