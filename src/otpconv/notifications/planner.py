"""Decides what each target gets to know of events, and of alerts that last; pure."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from otpconv.access.alert_targets import AlertTarget
from otpconv.notifications.quiet import quiet_until
from otpconv.notifications.routing import grouped, is_repeated, is_urgent, repeat_ms, wants
from otpconv.storage.alerts.contract import Alert, Event
from otpconv.storage.notifications.contract import Follow, News, NewsKind, Plan

#: Characters of the hash in the stable id of a notification: enough that two never have the same.
_KEY_CHARS: Final = 24


class Planner:
    """A plan in the making.

    Args:
        targets: of all accounts.
        alerts: those that the events and the follows are about, by id; one that is missing was forgotten.
        follows: of these alerts.
        now: ms.
    """

    def __init__(
        self,
        targets: Sequence[AlertTarget],
        alerts: Mapping[int, Alert],
        follows: Sequence[Follow],
        now: int,
    ) -> None:
        self._targets = {target.id: target for target in targets}
        self._alerts = alerts
        self._follows = {(follow.target, follow.alert): follow for follow in follows}
        self._now = now
        self._news: list[News] = []
        self._changed: dict[tuple[int, int], Follow] = {}
        self._unfollowed: list[tuple[int, int]] = []
        self._calmed: list[tuple[int, int]] = []

    def event(self, event: Event) -> None:
        """Plan what an event means for each target of its account that was there when it happened."""
        alert = self._alerts.get(event.alert)
        if alert is None:
            return
        for target in self._targets.values():
            if target.account == event.account and target.created_at <= event.at:
                self._event(target, alert, event)

    def repeat(self, pair: tuple[int, int]) -> None:
        """Plan a repeat that is due of an alert that lasts, now or after quiet hours.

        Args:
            pair: the ids of the target and of the alert, one of the follows.
        """
        follow = self._follows.get(pair)
        if follow is None or follow.repeat_at is None or follow.repeat_at > self._now:
            return  # an event has changed it
        target, alert = self._targets.get(follow.target), self._alerts.get(follow.alert)
        if target is None or alert is None or not is_repeated(target, alert):
            self._follow(Follow(*pair, follow.repeats, None))
            return
        quiet = None if is_urgent(target.rules, alert.found) else target.rules.quiet
        if quiet is not None and (until := quiet_until(quiet, self._now)) is not None:
            self._follow(Follow(*pair, follow.repeats, until))
            return
        number = follow.repeats + 1
        self._tell(target, alert, "lasting", self._now, f"repeat {number}")
        self._follow(self._next(target, alert, number))

    def plan(self, seq: int) -> Plan:
        """Return the plan, which moves the cursor to an event."""
        return Plan(seq, self._news, list(self._changed.values()), self._unfollowed, self._calmed)

    def _event(self, target: AlertTarget, alert: Alert, event: Event) -> None:
        pair = (target.id, alert.id)
        follow = self._follows.get(pair)
        match event.happening:
            case "opened" | "worse" if follow is None and wants(target.rules, alert.found):
                self._tell(target, alert, event.happening, event.at, str(event.seq))
                self._follow(self._next(target, alert, 0))
            case "worse" | "woken" if follow is not None:
                if event.happening == "woken" and alert.state != "open":
                    return  # somebody has looked at it since
                self._tell(target, alert, event.happening, event.at, str(event.seq))
                self._follow(self._next(target, alert, follow.repeats))
            case "resolved" if follow is not None:
                self._tell(target, alert, "resolved", event.at, str(event.seq))
                self._unfollow(pair)
            case "acknowledged" | "snoozed" if follow is not None and not is_repeated(target, alert):
                self._calmed.append(pair)
                self._follow(Follow(*pair, follow.repeats, None))
            case _:
                pass

    def _next(self, target: AlertTarget, alert: Alert, repeats: int) -> Follow:
        later = repeat_ms(target)
        repeat_at = self._now + later if later and is_repeated(target, alert) else None
        return Follow(target.id, alert.id, repeats, repeat_at)

    def _tell(self, target: AlertTarget, alert: Alert, kind: NewsKind, at: int, what: str) -> None:
        group, due_at = grouped(target.rules, alert.found, self._now)
        key = stable_id(target, alert.id, what)
        self._news.append(News(target.id, alert.id, kind, at, key, group, due_at))

    def _follow(self, follow: Follow) -> None:
        self._follows[follow.target, follow.alert] = self._changed[follow.target, follow.alert] = follow

    def _unfollow(self, pair: tuple[int, int]) -> None:
        del self._follows[pair]
        self._changed.pop(pair, None)
        self._unfollowed.append(pair)


def stable_id(target: AlertTarget, alert: int, what: str) -> str:
    """Return the id that a notification has whenever it is sent.

    Args:
        target: gets it.
        alert: the id of the alert that the first news of it are about.
        what: the number of the event that they are, or `repeat` and its number.
    """
    text = f"{target.account}/{target.id}/{alert}/{what}"
    return "ntf_" + hashlib.sha256(text.encode()).hexdigest()[:_KEY_CHARS]
