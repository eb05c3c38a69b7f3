"""Finds that a relay is late (`relay_behind`), or that a vendor refuses more (`dead_letters`). Pure.

Both are facts, not samples: they take nothing from the budget of false alarms.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from otpconv.alerts.detector import Source
from otpconv.alerts.memory import Memory, decoded
from otpconv.storage.alerts.contract import Change, Ended, Evidence, Found, Severity, Values
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS

#: Feedbacks are late from this age on, very late from this one, and in time again below this one, ms.
_LATE_MS, _VERY_LATE_MS, _IN_TIME_MS = 5 * MINUTE_MS, HOUR_MS, MINUTE_MS
#: How many minutes in a row it must be late, or in time.
_MINUTES: Final = 3
#: New dead letters within an hour that are more than before: so many at least, and so many times the usual.
_LEAST_LETTERS, _MORE_LETTERS = 10, 5.0
#: From so many new dead letters on, it is critical.
_CRITICAL_LETTERS = 1_000
#: The usual number of dead letters an hour forgets half within this time, ms.
_HALF_MS = 3 * DAY_MS


class RelayFacts(Struct, frozen=True):
    """How the relay to a vendor account is doing.

    Attributes:
        vendor: the name of the vendor account.
        paused: whether an operator has paused it.
        late_ms: for how long the oldest feedback has been due; 0 if none is.
        waiting: feedbacks that wait.
        dead: dead letters.
    """

    vendor: str
    paused: bool
    late_ms: int
    waiting: int
    dead: int


class _Vendor(Struct, gc=False, array_like=True):
    """What is remembered of a vendor account.

    Attributes:
        late, in_time: for how many minutes in a row.
        behind_since: ms; 0: it is not behind.
        dead: dead letters at the last look; -1: not known yet.
        usual: dead letters in an hour, as a rule.
        recent: new dead letters of the last hour, by minute: time (ms) and number.
        letters_since, letters: when more began, ms (0: there are not more), and how many since then.
    """

    late: int = 0
    in_time: int = 0
    behind_since: int = 0
    dead: int = -1
    usual: float = 0.0
    recent: list[tuple[int, int]] = []
    letters_since: int = 0
    letters: int = 0


class Relaying:
    """Watches the relay to the vendor accounts of an account.

    Args:
        facts: returns how the relay to each of them is doing.
    """

    name = "relaying"

    def __init__(self, facts: Callable[[], Sequence[RelayFacts]]) -> None:
        self._facts = facts
        self._vendors: dict[str, _Vendor] = {}
        self._memory = Memory(self.name)

    def look(self, now: int, source: Source) -> Sequence[Change]:  # noqa: ARG002 - it is about no messages
        """See `Detector.look`."""
        changes: list[Change] = []
        facts = {each.vendor: each for each in self._facts()}
        for name in [name for name in self._vendors if name not in facts]:
            gone, values = self._vendors.pop(name), (("vendor", name),)
            changes += [Ended("relay_behind", values)] if gone.behind_since else []
            changes += [Ended("dead_letters", values)] if gone.letters_since else []
        for name, each in facts.items():
            vendor = self._vendors.setdefault(name, _Vendor(recent=[]))
            changes += _behind(vendor, each, now)
            changes += _letters(vendor, each, now)
        return changes

    def memory(self) -> Mapping[str, bytes]:
        """See `Detector.memory`."""
        return self._memory.changed(vendors=([*self._vendors.items()],))

    def recall(self, parts: Mapping[str, bytes]) -> None:
        """See `Detector.recall`."""
        state = decoded(parts, "relaying.vendors", tuple[list[tuple[str, _Vendor]]])
        if state is not None:
            self._vendors = dict(state[0])


def _behind(vendor: _Vendor, facts: RelayFacts, now: int) -> list[Change]:
    """Look whether feedbacks are late; while an operator has paused the relay, they are not."""
    values: Values = (("vendor", facts.vendor),)
    late_ms = 0 if facts.paused else facts.late_ms
    vendor.late = vendor.late + 1 if late_ms >= _LATE_MS else 0
    vendor.in_time = vendor.in_time + 1 if late_ms < _IN_TIME_MS else 0
    if vendor.late >= _MINUTES and not vendor.behind_since:
        vendor.behind_since = now - late_ms
    if not vendor.behind_since:
        return []
    if vendor.in_time >= _MINUTES:
        vendor.behind_since = 0
        return [Ended("relay_behind", values)]
    severity: Severity = "critical" if late_ms >= _VERY_LATE_MS else "warning"
    since = vendor.behind_since
    evidence = Evidence(waiting=facts.waiting, late_ms=late_ms)
    return [Found("relay_behind", values, severity, since, since - MINUTE_MS, since + MINUTE_MS, evidence)]


def _letters(vendor: _Vendor, facts: RelayFacts, now: int) -> list[Change]:
    """Look whether more dead letters come than before. Fewer in all, e.g. after a retry, are not counted."""
    values: Values = (("vendor", facts.vendor),)
    new = max(0, facts.dead - vendor.dead) if vendor.dead >= 0 else 0
    vendor.dead = facts.dead
    vendor.recent = [(at, count) for at, count in vendor.recent if at > now - HOUR_MS]
    if new:
        vendor.recent.append((now, new))
    recent = sum(count for _, count in vendor.recent)
    if vendor.letters_since:
        vendor.letters += new
        if recent < max(1.0, vendor.usual * _MORE_LETTERS):
            vendor.letters_since = vendor.letters = 0
            return [Ended("dead_letters", values)]
    else:
        vendor.usual += (60 * new - vendor.usual) * (1 - 0.5 ** (MINUTE_MS / _HALF_MS))
        if recent >= max(_LEAST_LETTERS, _MORE_LETTERS * vendor.usual):
            vendor.letters_since, vendor.letters = vendor.recent[0][0], recent
    if not vendor.letters_since:
        return []
    severity: Severity = "critical" if vendor.letters >= _CRITICAL_LETTERS else "warning"
    since = vendor.letters_since
    expected = vendor.usual * (now - since) / HOUR_MS
    evidence = Evidence(waiting=vendor.letters, expected=expected)
    return [Found("dead_letters", values, severity, since, since - MINUTE_MS, since, evidence)]
