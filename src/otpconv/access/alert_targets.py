"""Targets of notifications: where alerts of an account are sent to, which ones, and when."""

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

#: The most targets of an account.
MAX_TARGETS = 32

#: How a target is notified.
TargetKind = Literal["apprise", "webhook", "alertmanager"]


class Quiet(Struct, frozen=True, forbid_unknown_fields=True):
    """Hours of each day in which nothing is sent; it is sent at their end.

    Attributes:
        start, end: times of the day, `HH:MM`; if the end is not after the start, it is of the next day.
        tz: the IANA name of their time zone.
        critical: whether critical alerts wait, too.
    """

    start: str
    end: str
    tz: str = "UTC"
    critical: bool = False


class Rules(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which alerts a target gets, and when.

    Attributes:
        kinds: kinds of alerts; empty: all.
        severity: the least severity.
        slices: by dimension, the values that an alert must name one of; empty: all alerts.
        group: which alerts are collected for `group_ms` into one notification: none, those of a kind, or all.
        group_ms: how long it is collected.
        repeat_ms: after how long it is said again that an alert lasts; 0: never.
        quiet: when nothing is sent.
    """

    kinds: tuple[str, ...] = ()
    severity: Literal["warning", "critical"] = "warning"
    slices: Mapping[str, tuple[str, ...]] = {}
    group: Literal["off", "kind", "account"] = "off"
    group_ms: int = 0
    repeat_ms: int = 0
    quiet: Quiet | None = None


class NewAlertTarget(Struct, frozen=True):
    """A target to create.

    Attributes:
        name: unique within the account.
        kind: how it is notified.
        settings: values that may be shown, e.g. the endpoint.
        secrets: values that are never shown; sealed at rest.
        rules: which alerts it gets, and when.
    """

    name: str
    kind: TargetKind
    settings: Mapping[str, str]
    secrets: Mapping[str, str]
    rules: Rules = Rules()

    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"{type(self).__name__}({self.name!r})"


class AlertTarget(NewAlertTarget, frozen=True, kw_only=True):
    """A target.

    Attributes:
        id: unique within the storage, and never used again.
        account: the number of the account that it belongs to.
        created_at: ms; it gets what happens from then on.
    """

    id: int
    account: int
    created_at: int

    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"{type(self).__name__}({self.name!r})"


class AlertTargetStore(Protocol):
    """The targets of all accounts, for any thread; the methods wait for the disk.

    Every method may raise `Unavailable` if the storage fails, and `Misconfigured` if it can't be used.
    """

    def list(self, account: int | None = None) -> list[AlertTarget]:
        """Return the targets of an account, or of all, by account and name.

        Raises:
            Misconfigured: the secrets were sealed with another key.
        """

    def create(self, account: int, target: NewAlertTarget) -> AlertTarget:
        """Create a target; it is durable when this returns.

        Raises:
            InvalidRequest: the account has one of this name, or `MAX_TARGETS` already.
        """

    def delete(self, account: int, name: str) -> None:
        """Delete a target with its secrets.

        Raises:
            NotFound: the account has none of this name.
        """

    def close(self) -> None:
        """Release the file or connection of the calling thread."""
