"""The alerts, in the tables of an engine."""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, astuple

from otpconv.errors import InvalidRequest
from otpconv.storage.alerts.changes import Changes
from otpconv.storage.alerts.contract import (
    MAX_ALERTS,
    MAX_EVENTS,
    MAX_NOTE,
    MAX_PART_BYTES,
    MAX_RESOLVED,
    MAX_SNOOZE_MS,
    Alert,
    Change,
    Checkpoint,
    Event,
    Found,
    State,
    Stored,
)
from otpconv.storage.contract import DAY_MS
from otpconv.storage.statements import SqlValue, statements
from otpconv.storage.tables import Tables

#: The statements of the tables, by name.
STATEMENTS: Final = statements(__package__, "statements.sql")
#: Resolved alerts over the bound that one commit deletes at most.
_TRIMMED: Final = 1_000
#: Rows that are copied at once.
_AT_ONCE: Final = 1_000

_log = logging.getLogger(__name__)


class _Number(Struct, array_like=True):
    """A row with a number."""

    number: int


class _At(Struct, array_like=True):
    """A row of `alert_checkpoints`."""

    account: int
    at: int


class _Part(Struct, array_like=True):
    """A row of `alert_parts`."""

    name: str
    memory: bytes


class _Row(Struct, array_like=True):
    """A row of `alerts`."""

    id: int
    account: int
    found: str
    state: State
    found_at: int
    updated_at: int
    resolved_at: int | None
    changed_at: int
    changed_by: str
    snoozed_until: int | None
    note: str


class _Event(Event, frozen=True, array_like=True):
    """A row of `alert_events`."""


class TableAlertStore:
    """An `AlertStore` in the tables of an engine.

    Args:
        tables: the open tables; closed with the store.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def checkpoint(self, account: int) -> Checkpoint | None:
        """See `AlertStore.checkpoint`."""
        with self._tables.reading():
            rows = self._tables.rows("checkpoint", _At, account=account)
            return self._whole(rows[0]) if rows else None

    def record(
        self, account: int, after: int | None, checkpoint: Checkpoint, changes: Sequence[Change]
    ) -> bool:
        """See `AlertStore.record`."""
        at = checkpoint.at
        if after is not None and at <= after:
            raise ValueError(f"a checkpoint must be later than the one before, at {after}, but is at {at}")
        for name, memory in checkpoint.parts.items():
            if len(memory) > MAX_PART_BYTES:
                raise ValueError(
                    f"the detector {name} remembers {len(memory):,} bytes, over {MAX_PART_BYTES:,}"
                )
        with self._tables.changing():
            if after is None:
                moved = self._tables.run("begin", account=account, at=at)
            else:
                moved = self._tables.run("advance", account=account, at=at, after=after)
            if not moved:
                return False
            self._remember(account, checkpoint)
            changing = Changes(account, self._alerts("lasting", account=account), at)
            changing.apply(changes)
            if self._write(changing):
                self._forget_rows("trim", account=account, kept=MAX_RESOLVED, limit=_TRIMMED)
        if changing.missed:
            _log.warning("%d findings of account %d open no alert: too many last", changing.missed, account)
        return True

    def alerts(
        self, account: int, states: Collection[State], *, before: int | None = None, limit: int = MAX_ALERTS
    ) -> list[Alert]:
        """See `AlertStore.alerts`."""
        kinds: tuple[State, ...] = ("open", "acknowledged", "snoozed", "resolved")
        wanted = {state: state if state in states else None for state in kinds}
        before = (1 << 63) - 1 if before is None else before
        with self._tables.reading():
            return self._alerts(
                "alerts", account=account, before=before, limit=min(limit, MAX_ALERTS), **wanted
            )

    def alert(self, account: int, alert: int) -> Alert | None:
        """See `AlertStore.alert`."""
        with self._tables.reading():
            return next(iter(self._alerts("alert", account=account, alert=alert)), None)

    def acknowledge(self, account: int, alert: int, by: str, note: str, *, now: int) -> Alert | None:
        """See `AlertStore.acknowledge`."""
        return self._answer(account, alert, "acknowledged", by, note, now=now)

    def snooze(self, account: int, alert: int, by: str, note: str, *, now: int, until: int) -> Alert | None:
        """See `AlertStore.snooze`."""
        if not now < until <= now + MAX_SNOOZE_MS:
            raise InvalidRequest(
                f"An alert can be snoozed until a time in the next {MAX_SNOOZE_MS // DAY_MS} days."
            )
        return self._answer(account, alert, "snoozed", by, note, now=now, until=until)

    def events(self, after: int, limit: int) -> list[Event]:
        """See `AlertStore.events`."""
        with self._tables.reading():
            return self._events("events", after=after, limit=limit)

    def history(self, account: int, alert: int) -> list[Event]:
        """See `AlertStore.history`."""
        with self._tables.reading():
            return self._events("history", account=account, alert=alert)

    def forget(self, before: int, limit: int) -> int:
        """See `AlertStore.forget`."""
        with self._tables.changing():
            return self._forget_rows("forget", before=before, limit=limit)

    def stored(self) -> Iterator[Stored]:
        """See `AlertStore.stored`."""
        with self._tables.reading():
            (seq,) = self._tables.rows("sequence", _Number)
            yield Stored(seq=seq.number)
            after = -1
            while some := self._tables.rows("stored_checkpoints", _At, after=after, limit=_AT_ONCE):
                after = some[-1].account
                for row in some:
                    yield Stored({row.account: self._whole(row)})
            after = -1
            while alerts := self._alerts("stored_alerts", after=after, limit=_AT_ONCE):
                after = alerts[-1].id
                yield Stored(alerts=alerts)
            after = -1
            while events := self._events("events", after=after, limit=_AT_ONCE):
                after = events[-1].seq
                yield Stored(events=events)

    def replace(self, parts: Iterable[Stored]) -> None:
        """See `AlertStore.replace`."""
        with self._tables.changing():
            for table in ("checkpoints", "parts", "alerts", "events"):
                self._tables.run(f"clear_{table}")
            for part in parts:
                if part.seq is not None:
                    self._tables.run("restart", seq=part.seq)
                for account, checkpoint in part.checkpoints.items():
                    self._tables.run("begin", account=account, at=checkpoint.at)
                    self._remember(account, checkpoint)
                self._tables.run_many("add", [_values(alert) for alert in part.alerts])
                self._tables.run_many("add_event", [asdict(event) for event in part.events])

    def close(self) -> None:
        """See `AlertStore.close`."""
        self._tables.close()

    def _answer(
        self,
        account: int,
        alert: int,
        state: Literal["acknowledged", "snoozed"],
        by: str,
        note: str,
        *,
        now: int,
        until: int | None = None,
    ) -> Alert | None:
        if len(note) > MAX_NOTE or not note.isprintable():
            raise InvalidRequest(f"A note is one line of at most {MAX_NOTE:,} characters.")
        with self._tables.changing():
            self._tables.run("lock", account=account)
            rows = self._alerts("alert", account=account, alert=alert)
            if not rows or rows[0].state == "resolved":
                return rows[0] if rows else None
            # Each time it is snoozed, it may be woken; and one event is left to resolve it.
            if len(self._events("history", account=account, alert=alert)) > MAX_EVENTS - 4:
                raise InvalidRequest(
                    f"The alert {alert} has {MAX_EVENTS:,} events, the most that are kept: it can't be"
                    " acknowledged or snoozed again."
                )
            changing = Changes(account, rows, now)
            answered = changing.answer(rows[0], state, by, note, until)
            self._write(changing)
        return answered

    def _write(self, changing: Changes) -> int:
        """Write all changes; return how many events they are."""
        last = 0
        if changing.events:
            (row,) = self._tables.rows("number", _Number, events=changing.events)
            last = row.number
        known = {alert.id for alert in changing.alerts}
        events = [asdict(event) for event in changing.numbered(last)]
        # Those that are resolved make room for new ones of the same slice.
        changed = [_values(alert) for alert in changing.alerts]
        self._tables.run_many("update", [values for values in changed if values["id"] in known])
        self._tables.run_many("add", [values for values in changed if values["id"] not in known])
        self._tables.run_many("add_event", events)
        return changing.events

    def _remember(self, account: int, checkpoint: Checkpoint) -> None:
        parts: list[dict[str, SqlValue]] = [
            {"account": account, "name": name, "memory": memory} for name, memory in checkpoint.parts.items()
        ]
        self._tables.run_many("remember", parts)

    def _forget_rows(self, name: str, **values: int) -> int:
        """Delete the alerts of a statement, and their events; return how many alerts."""
        rows = self._tables.rows(name, _Number, **values)
        self._tables.run_many("forget_events", [{"alert": row.number} for row in rows])
        return len(rows)

    def _whole(self, row: _At) -> Checkpoint:
        parts = self._tables.rows("parts", _Part, account=row.account)
        return Checkpoint(row.at, {part.name: part.memory for part in parts})

    def _alerts(self, name: str, **values: SqlValue) -> list[Alert]:
        rows = self._tables.rows(name, _Row, **values)
        return [Alert(**asdict(row) | {"found": msgspec.json.decode(row.found, type=Found)}) for row in rows]

    def _events(self, name: str, **values: SqlValue) -> list[Event]:
        return [Event(*astuple(row)) for row in self._tables.rows(name, _Event, **values)]


def _values(alert: Alert) -> dict[str, SqlValue]:
    """Return the values of a row of `alerts`."""
    found = alert.found
    return asdict(alert) | {
        "kind": found.kind,
        "slice": msgspec.json.encode(sorted(found.values)).decode(),
        "found": msgspec.json.encode(found).decode(),
    }
