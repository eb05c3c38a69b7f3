"""Seeded worlds of alerts, and a simple model of what a target gets in them, in steps of five minutes."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from notifications.found import ACCOUNT, HOUR, MINUTE, Detectors, Quiet, Rules, found, target
from otpconv.access.alert_targets import AlertTarget
from otpconv.delivery.transport import DELIVERED, Outcome
from otpconv.notifications.message import Message
from otpconv.notifications.notifier import Notifier
from otpconv.notifications.sender import Sender
from otpconv.storage.alerts.contract import LASTING, Alert, Change, Ended, Event, Kind, Severity
from storage.engines import Notifying

STEP = 5 * MINUTE
_HOURS = 30
_RESEND = MINUTE
#: News of an alert: its id, and the kinds of news, in order.
Item = tuple[int, tuple[str, ...]]
#: When something was sent, and what, by alert.
Sent = tuple[int, tuple[Item, ...]]

#: Nights in which clocks are changed, by half an hour too, and one in which they are not.
_NIGHTS = (
    ("Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 7, 12, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 2, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 6, 1, 10, tzinfo=UTC)),
)
_QUIET = (("22:00", "07:00"), ("23:30", "06:05"), ("01:00", "05:00"), ("12:00", "14:00"), ("00:00", "03:30"))
_KINDS: tuple[Kind, ...] = ("conversion_fell", "volume")
_SLICES = ((), (("country", "DE"),), (("country", "DE"), ("provider", "acme")), (("provider", "acme"),))


class Model:
    """What a target gets, said as simply as possible.

    Args:
        of: the target.
    """

    def __init__(self, of: AlertTarget) -> None:
        self.rules, self.forever = of.rules, of.kind == "alertmanager"
        self.repeat = _RESEND if self.forever else of.rules.repeat_ms
        self.known: dict[int, int | None] = {}
        self.groups: dict[object, tuple[int, list[tuple[int, str]]]] = {}

    def step(self, now: int, events: Sequence[Event], alerts: dict[int, Alert]) -> list[Sent]:
        """Return what the target gets now."""
        waiting = {number for _, news in self.groups.values() for number, _ in news}
        due = [
            number
            for number, at in self.known.items()
            if at is not None and at <= now and number not in waiting
        ]
        touched = set()
        for event in events:  # what happens at the same time is planned at once
            if event.happening in {"acknowledged", "snoozed"} and not self._lasts(alerts[event.alert]):
                self._calm(event.alert)
        for event in events:
            if self._event(now, event, alerts[event.alert]):
                touched.add(event.alert)
        for number in due:
            if number in self.known and number not in touched:
                if not self._lasts(alerts[number]):
                    self.known[number] = None
                elif not self._held(now, alerts[number]):
                    self._tell(now, alerts[number], "lasting")
                    self.known[number] = now + self.repeat
        return self._leave(now)

    def _event(self, now: int, event: Event, alert: Alert) -> bool:
        """Take an event; return whether the target has to do with it."""
        if event.alert not in self.known:
            if event.happening not in {"opened", "worse"} or not self._wants(alert):
                return False
            self.known[event.alert] = None
        if event.happening in {"acknowledged", "snoozed"}:
            if self._lasts(alert):
                return False
            self.known[event.alert] = None
        elif event.happening == "woken" and alert.state != "open":
            return False
        else:
            self._tell(now, alert, event.happening)
            repeated = self.repeat and self._lasts(alert)
            self.known[event.alert] = now + self.repeat if repeated else None
            if event.happening == "resolved":
                del self.known[event.alert]
        return True

    def _wants(self, alert: Alert) -> bool:
        values = dict(alert.found.values)
        slices = all(values.get(name, "") in allowed for name, allowed in self.rules.slices.items())
        kinds = self.rules.kinds or _KINDS
        return slices and alert.found.kind in kinds and alert.found.severity >= "" and self._bad(alert)

    def _bad(self, alert: Alert) -> bool:
        return alert.found.severity == "critical" or self.rules.severity == "warning"

    def _lasts(self, alert: Alert) -> bool:
        return alert.state in LASTING if self.forever else alert.state == "open"

    def _tell(self, now: int, alert: Alert, what: str) -> None:
        group: object = object()
        due = now
        if self.rules.group != "off":
            group = (self.rules.group == "account" or alert.found.kind, self._urgent(alert))
            due = now + self.rules.group_ms
        if self._held(now, alert):
            group, due = "held", -1
        self.groups.setdefault(group, (due, []))[1].append((alert.id, what))

    def _calm(self, number: int) -> None:
        for group, (due, news) in [*self.groups.items()]:
            left = [each for each in news if each != (number, "lasting")]
            if left:
                self.groups[group] = (due, left)
            else:
                del self.groups[group]

    def _leave(self, now: int) -> list[Sent]:
        sent = []
        quiet = self._quiet(now)
        for group, (due, news) in [*self.groups.items()]:
            if group == "held":
                leaves = not quiet
            else:
                urgent = not isinstance(group, tuple) or group[1]
                leaves = now >= due or (quiet and not urgent)
            if leaves:
                del self.groups[group]
                items: dict[int, tuple[str, ...]] = {}
                for number, what in news:
                    before = [each for each in items.get(number, ()) if each != what]
                    items[number] = (*before, what)
                sent.append((now, tuple(sorted(items.items()))))
        return sent

    def _urgent(self, alert: Alert) -> bool:
        quiet = self.rules.quiet
        return quiet is None or (alert.found.severity == "critical" and not quiet.critical)

    def _held(self, now: int, alert: Alert) -> bool:
        return self._quiet(now) and not self._urgent(alert)

    def _quiet(self, now: int) -> bool:
        if self.rules.quiet is None:
            return False
        quiet = self.rules.quiet
        clock = datetime.fromtimestamp(now / 1000, ZoneInfo(quiet.tz)).strftime("%H:%M")
        if quiet.start < quiet.end:
            return quiet.start <= clock < quiet.end
        return clock >= quiet.start or clock < quiet.end


class Told:
    """A wire that notes notifications and their times."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.keys: list[str] = []

    def send(self, message: Message, now: int) -> Outcome:
        self.sent.append((now, tuple(sorted((item.alert.id, item.kinds) for item in message.items))))
        self.keys.append(message.key)
        return DELIVERED


class World:
    """Targets with random rules, and alerts that come and go.

    Args:
        seed: of all chance.
        opened: the storage.
    """

    def __init__(self, seed: int, opened: Notifying) -> None:
        self.chance = random.Random(seed)
        zone, start = self.chance.choice(_NIGHTS)
        self.now = int(start.timestamp()) * 1000
        self.opened = opened
        self.targets = [
            target(
                number,
                kind="alertmanager" if number == 3 else "webhook",
                rules=Rules(group="account") if number == 3 else self._rules(zone),
                created_at=self.now,
            )
            for number in (1, 2, 3)
        ]
        self.wires = {each.id: Told() for each in self.targets}
        self.models = {each.id: Model(each) for each in self.targets}
        self.expected: dict[int, list[Sent]] = {each.id: [] for each in self.targets}
        self._seen = 0

    def run(self) -> None:
        """Let it happen, and notify of it, step by step."""
        alerts, store = self.opened
        detectors = Detectors(alerts)
        notifier = Notifier(alerts, store, lambda: self.targets, lambda: self.now)
        senders = {
            each.id: Sender(each, self.wires[each.id], alerts, store, lambda: self.now)
            for each in self.targets
        }
        for _ in range(_HOURS * HOUR // STEP):
            self.now += STEP
            detectors.record(self.now, *self._changes())
            self._users()
            while notifier.plan(self.targets):
                pass
            for number in store.due(self.now):
                senders[number].run()
            self._expect()

    def _rules(self, zone: str) -> Rules:
        pick = self.chance.choice
        start, end = pick(_QUIET)
        group = pick(("off", "kind", "account"))
        return Rules(
            kinds=pick(((), ("volume",))),
            severity=pick(("warning", "warning", "critical")),
            slices=pick(({}, {"country": ("DE", "FR")}, {"provider": ("acme",)})),
            group=group,  # type: ignore[arg-type]
            group_ms=0 if group == "off" else pick((5, 30, 90)) * MINUTE,
            repeat_ms=pick((0, 1, 4)) * HOUR,
            quiet=Quiet(start, end, zone, critical=pick((False, True)))
            if self.chance.random() < 0.7
            else None,
        )

    def _changes(self) -> list[Change]:
        pick, changes = self.chance.choice, list[Change]()
        while self.chance.random() < 0.06:
            kind, values = pick(_KINDS), pick(_SLICES)
            severity: Severity = pick(("warning", "critical"))
            changes.append(pick((Ended(kind, values), found(kind, values, severity, self.now))))
        return changes

    def _users(self) -> None:
        alerts = self.opened.alerts
        while self.chance.random() < 0.03 and (lasting := alerts.alerts(ACCOUNT, LASTING)):
            number = self.chance.choice(lasting).id
            if self.chance.random() < 0.5:
                alerts.acknowledge(ACCOUNT, number, "ann", "", now=self.now)
            else:
                until = self.now + self.chance.choice((20, 180)) * MINUTE
                alerts.snooze(ACCOUNT, number, "ann", "", now=self.now, until=until)

    def _expect(self) -> None:
        alerts = self.opened.alerts
        events = alerts.events(self._seen, 1_000)
        if events:
            self._seen = events[-1].seq
        known = {event.alert for event in events}.union(*(model.known for model in self.models.values()))
        now = {number: found for number in known if (found := alerts.alert(ACCOUNT, number)) is not None}
        for number, model in self.models.items():
            self.expected[number] += model.step(self.now, events, now)
