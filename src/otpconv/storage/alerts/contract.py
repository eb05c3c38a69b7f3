"""The contract of what an engine keeps for alerts; the tests run against every engine."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

from otpconv.storage.contract import DAY_MS

#: What an alert says:
#: `conversion_fell`: messages of the slice are verified less often than usual;
#: `reporter_stopped`: messages flow, and nobody reports their conversions;
#: `nothing_sent`: messages that should be there are missing;
#: `slower`: users enter their codes later than usual;
#: `volume`: far more messages than usual;
#: `codes_entered`: codes are entered too fast and too evenly, or far more often than by other providers;
#: `reports_late`: the reports of an application arrive late: its spool or queue is behind;
#: `relay_behind`: a vendor account gets its feedbacks late;
#: `dead_letters`: a vendor refuses more feedbacks than before.
Kind = Literal[
    "conversion_fell",
    "reporter_stopped",
    "nothing_sent",
    "slower",
    "volume",
    "codes_entered",
    "reports_late",
    "relay_behind",
    "dead_letters",
]
#: What became of an alert. One that is acknowledged or snoozed still lasts.
State = Literal["open", "acknowledged", "snoozed", "resolved"]
#: How bad it is: codes are lost in numbers (`critical`), or somebody should look (`warning`).
Severity = Literal["warning", "critical"]
#: What happened to an alert; `woken`: the time it was snoozed for is over; `worse`: now `critical`.
Happening = Literal["opened", "worse", "acknowledged", "snoozed", "woken", "resolved"]

#: The states of alerts that last.
LASTING: Final[tuple[State, ...]] = ("open", "acknowledged", "snoozed")
#: Alerts in one answer at most.
MAX_ALERTS: Final = 200
#: Alerts of an account that last at most; further findings open none.
MAX_LASTING: Final = 1_000
#: Resolved alerts of an account that are kept at most; the oldest ones go first.
MAX_RESOLVED: Final = 10_000
#: Events of one alert at most; then users can neither acknowledge nor snooze it again.
MAX_EVENTS: Final = 1_000
#: The longest note, one line, characters.
MAX_NOTE: Final = 1_000
#: The longest time for which an alert is snoozed, ms.
MAX_SNOOZE_MS: Final = 90 * DAY_MS
#: The most that a detector remembers of an account, bytes.
MAX_PART_BYTES: Final = 16 * 1024 * 1024

#: Pairs of dimension and value, as `rates.slices.Slice` has them. A vendor account is ("vendor", its name).
Values = tuple[tuple[str, str], ...]


class Evidence(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The expected and the seen figures since the start of an alert; each kind has its own.

    Attributes:
        requested: messages.
        verified: those of them that are verified.
        expected: the number to be expected of what the kind is about: verified messages (`conversion_fell`,
            `codes_entered`), reported ones (`reporter_stopped`), or messages (`nothing_sent`, `volume`).
        expected_low, expected_high: the band that it lies in with 95 %.
        usual: the usual rate, 0 to 1.
        first_attempts: whether only first attempts are counted.
        p50_ms, p90_ms: the delays that were seen.
        usual_p50_ms, usual_p90_ms: the usual delays.
        waiting: feedbacks that wait, dead letters, or reports that came late.
        late_ms: how late the oldest or newest one is, or how long ago the last report came.
    """

    requested: int = 0
    verified: int = 0
    expected: float = 0.0
    expected_low: float = 0.0
    expected_high: float = 0.0
    usual: float | None = None
    first_attempts: bool = False
    p50_ms: int | None = None
    p90_ms: int | None = None
    usual_p50_ms: int | None = None
    usual_p90_ms: int | None = None
    waiting: int = 0
    late_ms: int = 0


class Found(Struct, frozen=True):
    """What a detector finds about a slice: it opens an alert, or updates the one that lasts.

    Attributes:
        kind: what it says.
        values: which slice.
        severity: how bad it is.
        since: when it began, ms; estimated.
        since_low, since_high: the interval of `since`, 95 %, ms.
        evidence: the expected and the seen figures.
    """

    kind: Kind
    values: Values
    severity: Severity
    since: int
    since_low: int
    since_high: int
    evidence: Evidence


class Ended(Struct, frozen=True):
    """What a detector no longer finds: it resolves the alert that lasts."""

    kind: Kind
    values: Values


Change = Found | Ended


class Alert(Struct, frozen=True):
    """An alert. There is at most one that lasts of each account, kind and slice.

    Attributes:
        id: unique in the storage, ascending; never used again.
        account: whose slice it is.
        found: the last finding; an alert that was `critical` stays so.
        state: what became of it. One stays snoozed until a commit wakes it, so states, events and
            notifications always agree.
        found_at: when it was opened, ms.
        updated_at: when a detector last found it, ms.
        resolved_at: ms; None while it lasts.
        changed_at: when its state last changed, ms.
        changed_by: who did that: a user's name; empty: otpconv itself.
        snoozed_until: ms; None unless it is snoozed.
        note: what the last user who acknowledged or snoozed it wrote.
    """

    id: int
    account: int
    found: Found
    state: State
    found_at: int
    updated_at: int
    resolved_at: int | None
    changed_at: int
    changed_by: str
    snoozed_until: int | None
    note: str


class Event(Struct, frozen=True):
    """Something that happened to an alert.

    Attributes:
        seq: gapless and ascending over all accounts: who has read up to one has missed none before it.
        account: whose alert.
        alert: its id.
        happening: what happened.
        at: ms.
        by: a user's name; empty: otpconv itself.
        note: what they wrote.
    """

    seq: int
    account: int
    alert: int
    happening: Happening
    at: int
    by: str
    note: str


class Checkpoint(Struct, frozen=True):
    """How far the detectors have looked at an account.

    Attributes:
        at: the start of the next minute to look at, ms.
        parts: what each detector remembers, by its name.
    """

    at: int
    parts: Mapping[str, bytes]


class Stored(Struct, frozen=True):
    """Some of all that is kept, for a copy; empty fields: none of it.

    Attributes:
        checkpoints: by account.
        alerts: in order of their ids.
        events: in order.
        seq: the number of the last event of all, also if that was forgotten.
    """

    checkpoints: Mapping[int, Checkpoint] = {}
    alerts: Sequence[Alert] = ()
    events: Sequence[Event] = ()
    seq: int | None = None


class AlertStore(Protocol):
    """The alerts, for any thread; the methods wait for the disk.

    Every method may raise `Unavailable` if the storage fails, and `Misconfigured` if it can't be used; a call
    that raises has changed nothing, unless the connection broke in its commit. Each change can be repeated:
    it then changes nothing, or `record` returns False.
    """

    def checkpoint(self, account: int) -> Checkpoint | None:
        """Return how far the detectors have looked; None if they have not yet."""

    def checkpoints(self) -> Mapping[int, int]:
        """Return the time of the checkpoint of each account, ms, without its parts."""

    def record(
        self, account: int, after: int | None, checkpoint: Checkpoint, changes: Sequence[Change]
    ) -> bool:
        """Move the checkpoint and open, update and resolve alerts, in one durable commit.

        Also wakes the alerts whose snoozing is over at the checkpoint's time.

        Args:
            account: whose slices.
            after: the time that the checkpoint has; None if there is none.
            checkpoint: the new one, later than `after`; parts that it does not name stay as they are.
            changes: in order. One `Found` again updates the alert that lasts; `Ended` without one is ignored.

        Returns:
            False if the checkpoint has another time, since another node has moved it; nothing was changed.

        Raises:
            ValueError: the checkpoint is not later, or a part is over `MAX_PART_BYTES`: a bug in a detector.
        """

    def alerts(
        self, account: int, states: Collection[State], *, before: int | None = None, limit: int = MAX_ALERTS
    ) -> list[Alert]:
        """Return the newest alerts in some states; with `before`, those with smaller ids.

        Args:
            account: whose alerts.
            states: at least one.
            before: an id.
            limit: at most `MAX_ALERTS`.
        """

    def alert(self, account: int, alert: int) -> Alert | None:
        """Return one alert."""

    def acknowledge(self, account: int, alert: int, by: str, note: str, *, now: int) -> Alert | None:
        """Acknowledge an alert that lasts, and return it; None if there is none. Resolved ones stay so.

        Args:
            account: whose alert.
            alert: its id.
            by: the user's name.
            note: what they write, e.g. who takes care of it.
            now: ms.

        Raises:
            InvalidRequest: the note is too long or not one line, or the alert has too many events.
        """

    def snooze(self, account: int, alert: int, by: str, note: str, *, now: int, until: int) -> Alert | None:
        """Snooze an alert that lasts until a time, and return it; None if there is none.

        Resolved ones stay so. It is open again once a checkpoint reaches this time.

        Args:
            account: whose alert.
            alert: its id.
            by: the user's name.
            note: what they write.
            now: ms.
            until: ms; after `now`, and at most `MAX_SNOOZE_MS` later.

        Raises:
            InvalidRequest: `until` is not in this range, the note is too long or not one line, or the alert
                has too many events.
        """

    def events(self, after: int, limit: int) -> list[Event]:
        """Return the events behind the one with the number `after`, of all accounts, in order."""

    def history(self, account: int, alert: int) -> list[Event]:
        """Return what happened to one alert, in order."""

    def forget(self, before: int, limit: int) -> int:
        """Delete up to `limit` alerts resolved before a time, ms, with their events; return how many."""

    def stored(self) -> Iterator[Stored]:
        """Yield all that is kept, as it is now, in parts; for a copy."""

    def replace(self, parts: Iterable[Stored]) -> None:
        """Replace all that is kept, in one durable commit."""

    def close(self) -> None:
        """Release the file or connection of the calling thread."""
