"""What happens to the alerts of one account in one commit. Pure."""

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from otpconv.storage.alerts.contract import (
    MAX_LASTING,
    Alert,
    Change,
    Ended,
    Event,
    Found,
    Happening,
    Kind,
    Values,
)

#: An alert that lasts is the only one of its account with this kind and slice.
_Key = tuple[Kind, Values]


class _Draft(Struct):
    """An alert that may change; its id is 0 until it is stored."""

    alert: Alert
    changed: bool = False


class Changes:
    """Alerts that change together, and the events of it; neither is numbered yet.

    Args:
        account: whose alerts.
        lasting: those that last, or the one that a user changes.
        at: the time of the changes, ms.

    Attributes:
        missed: findings that are not kept, since too many alerts of the account last.
    """

    def __init__(self, account: int, lasting: Iterable[Alert], at: int) -> None:
        self._account = account
        self._at = at
        self._drafts = [_Draft(alert) for alert in lasting]
        self._lasting = {_key(draft.alert.found): draft for draft in self._drafts}
        self._events: list[tuple[_Draft, Event]] = []
        self.missed = 0

    def apply(self, changes: Iterable[Change]) -> None:
        """Open, update and resolve alerts, in order; then wake those whose time is over."""
        for change in changes:
            draft = self._lasting.get(_key(change))
            if isinstance(change, Ended):
                if draft is not None:
                    self._resolve(draft)
            elif draft is not None:
                self._find_again(draft, change)
            elif len(self._lasting) < MAX_LASTING:
                self._open(change)
            else:
                self.missed += 1
        for draft in self._lasting.values():
            until = draft.alert.snoozed_until
            if until is not None and until <= self._at:
                self._happen(draft, "woken")
                self._change(draft, state="open", snoozed_until=None)

    def answer(
        self, alert: Alert, state: Literal["acknowledged", "snoozed"], by: str, note: str, until: int | None
    ) -> Alert:
        """Let a user acknowledge or snooze one of the alerts that last, and return it."""
        draft = self._lasting[_key(alert.found)]
        before = alert.state, alert.changed_by, alert.note, alert.snoozed_until
        if before != (
            state,
            by,
            note,
            until,
        ):  # not a repeat, e.g. of a lost answer
            self._happen(draft, state, by, note)
            self._change(draft, state=state, changed_by=by, note=note, snoozed_until=until)
        return draft.alert

    def numbered(self, last: int) -> Iterator[Event]:
        """Number the events, and the new alerts by the events that opened them.

        Args:
            last: the number of the last event.
        """
        first = last - len(self._events) + 1
        for seq, (draft, event) in enumerate(self._events, first):
            if event.happening == "opened":
                draft.alert = replace(draft.alert, id=seq)
            yield replace(event, seq=seq, alert=draft.alert.id)

    @property
    def events(self) -> int:
        """How many events there are."""
        return len(self._events)

    @property
    def alerts(self) -> list[Alert]:
        """The alerts that have changed, as they are now."""
        return [draft.alert for draft in self._drafts if draft.changed]

    def _open(self, found: Found) -> None:
        alert = Alert(0, self._account, found, "open", self._at, self._at, None, self._at, "", None, "")
        draft = self._lasting[_key(found)] = _Draft(alert, changed=True)
        self._drafts.append(draft)
        self._happen(draft, "opened")

    def _find_again(self, draft: _Draft, found: Found) -> None:
        before = draft.alert.found.severity
        if before == "critical":
            found = replace(found, severity="critical")  # so that it does not change to and fro
        if found.severity != before:
            self._happen(draft, "worse")
        draft.alert, draft.changed = replace(draft.alert, found=found, updated_at=self._at), True

    def _resolve(self, draft: _Draft) -> None:
        del self._lasting[_key(draft.alert.found)]
        at = self._happen(draft, "resolved")
        self._change(draft, state="resolved", snoozed_until=None, resolved_at=at)

    def _change(self, draft: _Draft, **fields: object) -> None:
        """Change the state of an alert, by otpconv itself unless `fields` name a user."""
        changed = {"changed_at": self._time(draft), "changed_by": ""} | fields
        draft.alert, draft.changed = replace(draft.alert, **changed), True

    def _happen(self, draft: _Draft, happening: Happening, by: str = "", note: str = "") -> int:
        """Add an event and return its time, ms."""
        at = self._time(draft)
        self._events.append((draft, Event(0, self._account, 0, happening, at, by, note)))
        return at

    def _time(self, draft: _Draft) -> int:
        """Return the time of a change, ms, never before an earlier one: clocks of nodes differ."""
        return max(self._at, draft.alert.changed_at, draft.alert.updated_at)


def _key(change: Change) -> _Key:
    return change.kind, tuple(sorted(change.values))
