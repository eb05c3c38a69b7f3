"""What an operator does with targets of notifications. Every method waits for the disk, or for a target."""

import secrets
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Final, get_args

from msgspec import Struct
from msgspec.structs import replace

from otpconv.access.alert_targets import (
    AlertTarget,
    AlertTargetStore,
    NewAlertTarget,
    Rules,
    TargetKind,
)
from otpconv.access.names import require_name
from otpconv.clock import Clock
from otpconv.delivery.transport import Fate
from otpconv.errors import InvalidRequest
from otpconv.notifications.apprise_wire import URL, check_url
from otpconv.notifications.kinds import VALUES, wire_of
from otpconv.notifications.message import Message
from otpconv.notifications.quiet import require_quiet
from otpconv.notifications.webhook import ENDPOINT, SIGNING_SECRET
from otpconv.service.vendor_values import require_endpoint, require_line
from otpconv.storage.access.alert_targets import unknown_target
from otpconv.storage.alerts.contract import Kind
from otpconv.storage.contract import DIMENSIONS
from otpconv.storage.engine import Engine
from otpconv.storage.notifications.contract import Contact

#: Values of one dimension that rules may name.
MAX_VALUES: Final = 100
#: How long alerts may be collected, ms.
MAX_GROUP_MS: Final = 3_600_000
#: How long alerts are collected unless the rules say, ms.
GROUP_MS: Final = 60_000
#: The shortest and the longest time after which it is said again that an alert lasts, ms.
MIN_REPEAT_MS, MAX_REPEAT_MS = 300_000, 7 * 86_400_000
#: The least characters of the key of a signature.
MIN_SIGNING_SECRET: Final = 16
#: What rules may name: dimensions of messages, and the name of a vendor account.
FILTERS: Final = (*DIMENSIONS, "vendor")
_KEY_BYTES: Final = 12


class TargetState(Struct, frozen=True):
    """How notifying a target is going.

    Attributes:
        target: the target.
        contact: what became of its notifications.
        waiting: notifications that wait.
        given_up: notifications that were given up, and can be sent again.
    """

    target: AlertTarget
    contact: Contact
    waiting: int = 0
    given_up: int = 0


class TestedTarget(Struct, frozen=True):
    """The result of a test notification.

    Attributes:
        sent: whether the target took it.
        text: for people.
    """

    sent: bool
    text: str


class AlertTargets:
    """The targets of all accounts.

    Args:
        engine: the storage.
        store: opens the targets.
        clock: the time now.
    """

    def __init__(self, engine: Engine, store: Callable[[], AlertTargetStore], clock: Clock) -> None:
        self._engine = engine
        self._open = store
        self._clock = clock

    def states(self, account: int | None = None) -> list[TargetState]:
        """Return the targets of an account, or of all, and how notifying each is going."""
        with closing(self._open()) as opened:
            targets = opened.list(account)
        if not targets:
            return []
        with closing(self._engine.notifications()) as store:
            contacts, waiting, given_up = store.contacts(), store.waiting(), store.given_up()
        return [
            TargetState(
                target,
                contacts.get(target.id, Contact(target.id)),
                waiting.get(target.id, 0),
                given_up.get(target.id, 0),
            )
            for target in targets
        ]

    def state(self, account: int, name: str) -> TargetState:
        """Return one target, and how notifying it is going.

        Raises:
            NotFound: the account has none of this name.
        """
        for state in self.states(account):
            if state.target.name == name:
                return state
        raise unknown_target(name)

    def create(
        self, account: int, name: str, kind: str, *, values: Mapping[str, str], rules: Rules
    ) -> TargetState:
        """Create a target, which gets what happens from now on.

        Args:
            account: who it belongs to.
            name: of the target.
            kind: how it is notified.
            values: settings and secrets of the kind, by name.
            rules: which alerts it gets, and when.

        Raises:
            InvalidRequest: something is unknown, missing or malformed, or the name is taken.
        """
        require_name("target", name)
        target = _checked(NewAlertTarget(name, _kind(kind), *_divided(_kind(kind), values), rules=rules))
        with closing(self._open()) as opened:
            made = opened.create(account, target)
        return TargetState(made, Contact(made.id))

    def delete(self, account: int, name: str) -> None:
        """Delete a target; what waits for it is not sent.

        Raises:
            NotFound: the account has none of this name.
        """
        with closing(self._open()) as opened:
            opened.delete(account, name)

    def retry(self, account: int, name: str) -> int:
        """Let notifications that were given up wait again, with the same ids; return how many.

        Raises:
            NotFound: the account has none of this name.
        """
        target = self.state(account, name).target
        with closing(self._engine.notifications()) as store:
            return store.retry(target.id, self._clock())

    def test(self, account: int, name: str) -> TestedTarget:
        """Send a test notification to a target now, whatever its rules.

        Raises:
            NotFound: the account has none of this name.
        """
        target = self.state(account, name).target
        message = Message(f"ntf_test_{secrets.token_hex(_KEY_BYTES)}", (), test=True)
        outcome = wire_of(target, None).send(message, self._clock())
        if outcome.fate is Fate.DELIVERED:
            return TestedTarget(sent=True, text="The target took the test notification.")
        return TestedTarget(sent=False, text=f"The target did not take it: {outcome.reason or outcome.code}")


def _kind(name: str) -> TargetKind:
    for kind in VALUES:
        if kind == name:
            return kind
    raise InvalidRequest(f"Unknown kind of target {name[:40]!r}. Use {', '.join(VALUES)}.")


def _divided(kind: TargetKind, values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings and the secrets of a new target; an error never has a value."""
    known = {value.name: value for value in VALUES[kind]}
    if unknown := sorted(values.keys() - known.keys()):
        raise InvalidRequest(
            f"A target of the kind {kind} has no setting {unknown[0][:40]!r}. Use {', '.join(known)}."
        )
    found: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for name, value in known.items():
        if values.get(name):
            require_line(name, values[name])
            found[value.secret][name] = values[name]
        elif value.required:
            raise InvalidRequest(f"A target of the kind {kind} needs {name}: {value.help}.")
    if ENDPOINT in found[0]:
        require_endpoint(found[0][ENDPOINT])
    if SIGNING_SECRET in found[1] and len(found[1][SIGNING_SECRET]) < MIN_SIGNING_SECRET:
        raise InvalidRequest(
            f"The {SIGNING_SECRET} is too short: use {MIN_SIGNING_SECRET} characters or more,"
            " e.g. of: openssl rand -base64 32"
        )
    return found


def _checked(target: NewAlertTarget) -> NewAlertTarget:
    """Return a new target with complete rules, once all of it has been checked."""
    rules = _checked_rules(target.rules)
    if target.kind == "alertmanager":
        if rules.group != "off" or rules.repeat_ms or rules.quiet is not None:
            raise InvalidRequest(
                "Alertmanager groups, repeats and mutes alerts itself. Leave group, repeat_ms and quiet out."
            )
        rules = replace(rules, group="account", group_ms=0)
    if target.kind != "apprise":
        return replace(target, rules=rules)
    if error := check_url(target.secrets[URL]):
        raise InvalidRequest(f"Invalid {URL}: {error}.")
    service = target.secrets[URL].partition("://")[0]
    return replace(target, rules=rules, settings={"service": service})


def _checked_rules(rules: Rules) -> Rules:
    """Return rules with the usual time of grouping, once they have been checked."""
    if unknown := sorted({*rules.kinds} - {*get_args(Kind)}):
        raise InvalidRequest(
            f"Unknown kind of alert {unknown[0][:40]!r}. Use {', '.join(get_args(Kind))}, or none for all."
        )
    for dimension, values in rules.slices.items():
        if dimension not in FILTERS:
            raise InvalidRequest(f"Unknown dimension {dimension[:40]!r}. Use {', '.join(FILTERS)}.")
        if not 1 <= len(values) <= MAX_VALUES:
            raise InvalidRequest(f"Give 1 to {MAX_VALUES} values of {dimension}.")
        for value in values:
            if value:
                require_line(dimension, value)
    if not 0 <= rules.group_ms <= MAX_GROUP_MS or (rules.group == "off" and rules.group_ms):
        raise InvalidRequest(f"Invalid group_ms. Use 1 to {MAX_GROUP_MS:,} ms, with group: kind or account.")
    if rules.repeat_ms and not MIN_REPEAT_MS <= rules.repeat_ms <= MAX_REPEAT_MS:
        raise InvalidRequest(
            f"Invalid repeat_ms {rules.repeat_ms}. Use {MIN_REPEAT_MS:,} to {MAX_REPEAT_MS:,} ms, or 0."
        )
    if rules.quiet is not None:
        require_quiet(rules.quiet)
    grouped = rules.group != "off"
    return replace(rules, group_ms=rules.group_ms or GROUP_MS) if grouped else rules
