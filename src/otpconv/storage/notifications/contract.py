"""The contract of what an engine keeps for notifications of alerts; the tests run against every engine."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

#: What a piece of news says of an alert: what happened to it, or that it still lasts (`lasting`).
NewsKind = Literal["opened", "worse", "woken", "lasting", "resolved"]

#: Pieces of news in one notification at most; further ones go into another.
MAX_NEWS: Final = 200
#: Notifications that wait for one target at most; further news are dropped, and counted.
MAX_BACKLOG: Final = 1_000
#: Notifications of one target that are kept after they were given up; older ones are deleted.
MAX_GIVEN_UP: Final = 200
#: How long it is tried to send a notification, ms.
KEPT_MS: Final = 3 * 86_400_000


class Cursor(Struct, frozen=True, array_like=True):
    """How far events were planned.

    Attributes:
        seq: the number of the last event that was planned.
        round: how often something was planned; no two planners finish the same round.
    """

    seq: int
    round: int


class Follow(Struct, frozen=True, array_like=True):
    """An alert that lasts, and a target that got to know of it.

    Attributes:
        target: the id of the target.
        alert: the id of the alert.
        repeats: how often it was said that it lasts.
        repeat_at: when to say so again, ms; None: not while it stays as it is.
    """

    target: int
    alert: int
    repeats: int
    repeat_at: int | None


class News(Struct, frozen=True):
    """A piece of news for a target.

    Attributes:
        target: the id of the target.
        alert: the id of the alert.
        kind: what it says.
        at: when that happened, ms.
        key: the stable id of the notification that it begins, if it begins one.
        group: news of one group go into one notification; empty: into one of their own.
        due_at: when a notification that it begins is to be sent, ms.
    """

    target: int
    alert: int
    kind: NewsKind
    at: int
    key: str
    group: str
    due_at: int


class Plan(Struct, frozen=True):
    """The consequences of some events, and of alerts that last.

    Attributes:
        seq: the number of the last event that is planned.
        news: in order.
        follows: alerts that a target follows from now on, or whose repetition changed.
        unfollowed: pairs of target and alert: it has ended.
        calmed: pairs of target and alert: unsent news that it lasts are deleted.
    """

    seq: int
    news: Sequence[News] = ()
    follows: Sequence[Follow] = ()
    unfollowed: Sequence[tuple[int, int]] = ()
    calmed: Sequence[tuple[int, int]] = ()


class Told(Struct, frozen=True, array_like=True):
    """A piece of news in a notification; see `News`."""

    alert: int
    kind: NewsKind
    at: int


class Notification(Struct, frozen=True):
    """A notification that is about to be sent. Its news stay as they are.

    Attributes:
        id: in the order in which they were planned.
        key: the stable id, the same whenever it is sent.
        attempts: how often it was about to be sent before.
        until: when it is given up, ms.
        news: in order.
    """

    id: int
    key: str
    attempts: int
    until: int
    news: Sequence[Told]


class Contact(Struct, frozen=True, array_like=True):
    """How notifying a target is going.

    Attributes:
        target: the id of the target.
        sent: notifications that it took.
        dead: notifications that were given up.
        dropped: news for which there was no room.
        last_sent_at: when it took the last one, ms; None: it has not yet.
        failing_since: ms; None while it takes them.
        error: why it fails, for people; empty while it takes them.
    """

    target: int
    sent: int = 0
    dead: int = 0
    dropped: int = 0
    last_sent_at: int | None = None
    failing_since: int | None = None
    error: str = ""


class Stored(Struct, frozen=True):
    """A notification with all that is kept of it, for a copy; see `News` and `Notification`.

    `due_at` is None if it was given up.
    """

    target: int
    key: str
    group: str
    attempts: int
    due_at: int | None
    until: int
    news: Sequence[Told]


class NotificationStore(Protocol):
    """The notifications of all targets, for any thread; the methods wait for the disk.

    Every method may raise `Unavailable` if the storage fails, and `Misconfigured` if it can't be used; a call
    that raises has changed nothing.
    """

    def cursor(self) -> Cursor:
        """Return how far events were planned."""

    def follows(self, alerts: Collection[int]) -> list[Follow]:
        """Return which targets follow some alerts."""

    def repeats(self, now: int, limit: int) -> list[Follow]:
        """Return up to `limit` follows that are to be repeated at `now`, ms, and for whom no news wait."""

    def plan(self, after: Cursor, plan: Plan, now: int) -> bool:
        """Add what a plan says, and move the cursor, in one durable commit.

        A piece of news joins the notification of its group that was not yet about to be sent, or begins one.

        Args:
            after: the cursor that the plan was made with.
            plan: what to do.
            now: ms.

        Returns:
            False if the cursor has moved, since another node planned meanwhile; nothing was changed.
        """

    def due(self, now: int) -> list[int]:
        """Return the targets for which a notification is due."""

    def claim(self, target: int, now: int) -> Notification | None:
        """Return the notification that is due first, and let no more news into it; None if none is due."""

    def sent(self, target: int, notification: int, now: int) -> None:
        """Record that a target took a notification."""

    def failed(self, target: int, notification: int, error: str, *, now: int, again_at: int | None) -> None:
        """Record that a target did not take a notification.

        Args:
            target: the id of the target.
            notification: the id of the notification.
            error: why, for people.
            now: ms.
            again_at: when to try again, ms; None gives it up.
        """

    def forget(self, notification: int) -> None:
        """Delete a notification that has nothing to say any more, since its alerts were forgotten."""

    def retry(self, target: int, now: int) -> int:
        """Let notifications that were given up wait again, the oldest first, as far as there is room.

        They keep their ids and their news, and are given up again after another `KEPT_MS`.

        Args:
            target: the id of the target.
            now: ms.

        Returns:
            How many wait again.
        """

    def contacts(self) -> dict[int, Contact]:
        """Return how notifying each target is going."""

    def waiting(self) -> Mapping[int, int]:
        """Return how many notifications wait for each target."""

    def given_up(self) -> Mapping[int, int]:
        """Return how many notifications of each target were given up and are kept."""

    def drop(self, target: int) -> None:
        """Delete all about a target."""

    def stored(self) -> Iterator[Cursor | Follow | Contact | Stored]:
        """Yield all that is kept, as it is now, the cursor first; for a copy."""

    def replace(self, parts: Iterable[Cursor | Follow | Contact | Stored]) -> None:
        """Replace all that is kept, in one durable commit."""

    def close(self) -> None:
        """Release the file or connection of the calling thread."""
