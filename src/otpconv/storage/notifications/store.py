"""Notifications in the tables of an engine."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict

from otpconv.storage.notifications.contract import (
    KEPT_MS,
    MAX_BACKLOG,
    MAX_GIVEN_UP,
    MAX_NEWS,
    Contact,
    Cursor,
    Follow,
    News,
    Notification,
    Plan,
    Stored,
    Told,
)
from otpconv.storage.statements import SqlValue, statements
from otpconv.storage.tables import Tables

#: The statements, by name.
STATEMENTS: Final = statements(__package__, "statements.sql")


#: Notifications that are copied, or deleted since they are too many, at once.
_AT_ONCE: Final = 1_000


class _Number(Struct, array_like=True):
    """A row with a number."""

    number: int


class _Count(Struct, array_like=True):
    """How many notifications of a target wait, or were given up."""

    target: int
    number: int


class _Row(Struct, array_like=True):
    """A row of `notifications`."""

    id: int
    key: str
    attempts: int
    until: int


class _Stored(Struct, array_like=True):
    """A row of `notifications`, with all its columns."""

    id: int
    target: int
    key: str
    group: str
    attempts: int
    due_at: int | None
    until: int


class TableNotificationStore:
    """A `NotificationStore` in the tables of an engine.

    Args:
        tables: the open tables, with `STATEMENTS`; closed with the store.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def cursor(self) -> Cursor:
        """See `NotificationStore.cursor`."""
        with self._tables.reading():
            return self._tables.rows("cursor", Cursor)[0]

    def follows(self, alerts: Collection[int]) -> list[Follow]:
        """See `NotificationStore.follows`."""
        with self._tables.reading():
            return [
                row for alert in sorted(alerts) for row in self._tables.rows("follows", Follow, alert=alert)
            ]

    def repeats(self, now: int, limit: int) -> list[Follow]:
        """See `NotificationStore.repeats`."""
        with self._tables.reading():
            return self._tables.rows("repeats", Follow, now=now, limit=limit)

    def plan(self, after: Cursor, plan: Plan, now: int) -> bool:
        """See `NotificationStore.plan`."""
        with self._tables.changing():
            if not self._tables.run("advance", round=after.round, seq=plan.seq):
                return False
            for target, alert in sorted(set(plan.calmed)):
                self._tables.run("calm", target=target, alert=alert)
                self._tables.run("clear_empty", target=target)
            for target in sorted({news.target for news in plan.news}):
                self._add(target, [news for news in plan.news if news.target == target], now)
            self._tables.run_many("follow", [asdict(follow) for follow in plan.follows])
            self._tables.run_many(
                "unfollow", [{"target": target, "alert": alert} for target, alert in plan.unfollowed]
            )
        return True

    def due(self, now: int) -> list[int]:
        """See `NotificationStore.due`."""
        with self._tables.reading():
            return [row.number for row in self._tables.rows("due", _Number, now=now)]

    def claim(self, target: int, now: int) -> Notification | None:
        """See `NotificationStore.claim`."""
        with self._tables.changing():
            rows = self._tables.rows("first_due", _Row, target=target, now=now)
            if not rows:
                return None
            row = rows[0]
            self._tables.run("close", id=row.id)
            news = self._tables.rows("news", Told, id=row.id)
        return Notification(row.id, row.key, row.attempts, row.until, news)

    def sent(self, target: int, notification: int, now: int) -> None:
        """See `NotificationStore.sent`."""
        with self._tables.changing():
            self._remove(notification)
            self._tables.run("note_sent", target=target, now=now)

    def failed(self, target: int, notification: int, error: str, *, now: int, again_at: int | None) -> None:
        """See `NotificationStore.failed`."""
        with self._tables.changing():
            if again_at is None:
                self._tables.run("give_up", id=notification)
                too_old = self._tables.rows(
                    "oldest_given_up", _Number, target=target, kept=MAX_GIVEN_UP, most=_AT_ONCE
                )
                for row in too_old:
                    self._remove(row.number)
            else:
                self._tables.run("postpone", id=notification, due_at=again_at)
            self._tables.run("note_failed", target=target, dead=int(again_at is None), now=now, error=error)

    def forget(self, notification: int) -> None:
        """See `NotificationStore.forget`."""
        with self._tables.changing():
            self._remove(notification)

    def retry(self, target: int, now: int) -> int:
        """See `NotificationStore.retry`."""
        with self._tables.changing():
            return self._tables.run(
                "retry", target=target, now=now, until=now + KEPT_MS, room=max(0, self._room(target))
            )

    def contacts(self) -> dict[int, Contact]:
        """See `NotificationStore.contacts`."""
        with self._tables.reading():
            return {row.target: row for row in self._tables.rows("contacts", Contact)}

    def waiting(self) -> Mapping[int, int]:
        """See `NotificationStore.waiting`."""
        with self._tables.reading():
            return {row.target: row.number for row in self._tables.rows("waiting", _Count)}

    def given_up(self) -> Mapping[int, int]:
        """See `NotificationStore.given_up`."""
        with self._tables.reading():
            return {row.target: row.number for row in self._tables.rows("given_up", _Count)}

    def drop(self, target: int) -> None:
        """See `NotificationStore.drop`."""
        with self._tables.changing():
            for name in ("drop_news", "drop_notifications", "drop_follows", "drop_contact"):
                self._tables.run(name, target=target)

    def stored(self) -> Iterator[Cursor | Follow | Contact | Stored]:
        """See `NotificationStore.stored`."""
        with self._tables.reading():
            yield from self._tables.rows("cursor", Cursor)
            yield from self._tables.rows("stored_follows", Follow)
            yield from self._tables.rows("contacts", Contact)
            after = 0
            while rows := self._tables.rows("stored_notifications", _Stored, after=after, limit=_AT_ONCE):
                after = rows[-1].id
                for row in rows:
                    news = self._tables.rows("news", Told, id=row.id)
                    yield Stored(row.target, row.key, row.group, row.attempts, row.due_at, row.until, news)

    def replace(self, parts: Iterable[Cursor | Follow | Contact | Stored]) -> None:
        """See `NotificationStore.replace`."""
        with self._tables.changing():
            for table in ("news", "notifications", "follows", "contacts"):
                self._tables.run(f"clear_{table}")
            for part in parts:
                match part:
                    case Cursor():
                        self._tables.run("restart", seq=part.seq)
                    case Follow():
                        self._tables.run("follow", **asdict(part))
                    case Contact():
                        self._tables.run("store_contact", **asdict(part))
                    case Stored():
                        self._store(part)

    def close(self) -> None:
        """See `NotificationStore.close`."""
        self._tables.close()

    def _add(self, target: int, some: Sequence[News], now: int) -> None:
        """Add news for one target, as far as there is room."""
        room, dropped = self._room(target), 0
        for news in some:
            values: dict[str, SqlValue] = {"target": target, "grouped": news.group}
            found = self._tables.rows("gathering", _Number, **values, most=MAX_NEWS) if news.group else []
            if not found and room > 0:
                found = self._tables.rows(
                    "begin", _Number, **values, key=news.key, due_at=news.due_at, until=now + KEPT_MS
                )
                room -= len(found)
            if not found:
                dropped += 1
                continue
            self._tables.run(
                "add_news",
                notification=found[0].number,
                target=target,
                alert=news.alert,
                kind=news.kind,
                at=news.at,
            )
        if dropped:
            self._tables.run("note_dropped", target=target, dropped=dropped)

    def _room(self, target: int) -> int:
        """Return how many more notifications may wait for a target."""
        return MAX_BACKLOG - self._tables.rows("count_waiting", _Number, target=target)[0].number

    def _store(self, stored: Stored) -> None:
        values = {name: getattr(stored, name) for name in Stored.__struct_fields__ if name != "news"}
        (row,) = self._tables.rows("store", _Number, **values)
        self._tables.run_many(
            "add_news",
            [asdict(told) | {"notification": row.number, "target": stored.target} for told in stored.news],
        )

    def _remove(self, notification: int) -> None:
        self._tables.run("remove_news", id=notification)
        self._tables.run("remove", id=notification)
