"""All detectors of an account as one, with the budget of false alarms divided among them. Pure.

While nobody reports about a slice, or its reports are late, its messages look as if they failed. So the
detector of falls does not get them, and a fall that they explain is not shown.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from otpconv.alerts.arriving import ArrivalFacts, Arriving
from otpconv.alerts.detector import WATCHED, Detector, Source
from otpconv.alerts.entering import Entering
from otpconv.alerts.memory import Memory, decoded
from otpconv.alerts.relaying import RelayFacts, Relaying
from otpconv.alerts.reporting import Reporting
from otpconv.alerts.slowness import Slowness
from otpconv.alerts.traffic import Traffic
from otpconv.rates.silence import STRAGGLERS
from otpconv.rates.slices import Slice, overlap
from otpconv.storage.alerts.contract import Change, Ended, Found, Kind, Values
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, Count

#: The share of the budget that each kind gets. `codes_entered` has a fixed rule; the others are facts.
SHARES: Final[Mapping[Kind, float]] = {
    "conversion_fell": 0.6,
    "reporter_stopped": 0.1,
    "nothing_sent": 0.1,
    "slower": 0.1,
    "volume": 0.1,
}
#: A fall waits so long for a silence that is nearly found and would explain it, ms; also one of all messages,
#: of which none is verified.
_WAITS_MS: Final = 5 * MINUTE_MS
#: A fall and a silence that begin within this time are the same, ms; and a fall that was explained is shown
#: if it lasts so long after the silence, ms.
_TOGETHER_MS, _FORGETS_MS = 15 * MINUTE_MS, 30 * MINUTE_MS
#: Silences that are remembered, and how long, ms: as long as anybody learns from their messages.
_MAX_SILENCES, _REMEMBERED_MS = 200, 30 * DAY_MS


class _Silence(Struct, gc=False, array_like=True):
    """A time in which nobody reported about a slice, or late, ms; None: it lasts."""

    slice: Slice
    since: int
    until: int | None
    kind: Kind = "reporter_stopped"


class Detectors:
    """All detectors of one account.

    Args:
        budget: false alarms a month over everything; above 0.
        falls: makes the detector of `conversion_fell` for its part of the budget.
        relays: returns how the relay to each vendor account of the account is doing.
        arrivals: returns the reports of the account that arrived since the last call.
    """

    name = "detectors"

    def __init__(
        self,
        budget: float,
        falls: Callable[[float], Detector],
        relays: Callable[[], Sequence[RelayFacts]] = tuple,
        arrivals: Callable[[], Sequence[ArrivalFacts]] = tuple,
    ) -> None:
        self._reporting = Reporting(budget * SHARES["reporter_stopped"])
        self._arriving = Arriving(arrivals)
        self._falls = falls(budget * SHARES["conversion_fell"])
        self._others: list[Detector] = [
            Traffic(budget * SHARES["nothing_sent"], budget * SHARES["volume"]),
            Slowness(budget * SHARES["slower"]),
            Entering(),
            Relaying(relays),
        ]
        self._silences: list[_Silence] = []
        #: Falls that are shown, and since when they last; that wait, since when; and that are explained, at
        #: what time they last were.
        self._shown: dict[Values, int] = {}
        self._waiting: dict[Values, int] = {}
        self._explained: dict[Values, int] = {}
        self._memory = Memory(self.name)

    def look(self, now: int, source: Source) -> Sequence[Change]:
        """See `Detector.look`."""
        changes = [*self._reporting.look(now, source), *self._arriving.look(now, source)]
        self._note_silences(changes, now)
        falls = self._falls.look(now, _Audible(source, self._silences))
        for each in self._others:
            changes += each.look(now, source)
        return [*changes, *self._take_back(now), *self._falls_shown(falls, now)]

    def memory(self) -> Mapping[str, bytes]:
        """See `Detector.memory`."""
        falls = ([*falls.items()] for falls in (self._shown, self._waiting, self._explained))
        state = self._silences, *falls
        parts = self._memory.changed(falls=state)
        for each in self._all():
            parts |= each.memory()
        return parts

    def recall(self, parts: Mapping[str, bytes]) -> None:
        """See `Detector.recall`."""
        state = decoded(
            parts,
            "detectors.falls",
            tuple[
                list[_Silence],
                list[tuple[Values, int]],
                list[tuple[Values, int]],
                list[tuple[Values, int]],
            ],
        )
        if state is not None:
            self._silences = state[0]
            self._shown, self._waiting, self._explained = (dict(falls) for falls in state[1:])
        for each in self._all():
            each.recall(parts)

    def _all(self) -> list[Detector]:
        return [self._reporting, self._arriving, self._falls, *self._others]

    def _note_silences(self, changes: Sequence[Change], now: int) -> None:
        for change in changes:
            which, kind = Slice(change.values), change.kind
            same = (one for one in self._silences if (one.slice, one.kind) == (which, kind))
            lasting = next((one for one in same if one.until is None), None)
            if isinstance(change, Ended) and lasting is not None:
                lasting.until = now
            elif isinstance(change, Found) and lasting is None:
                self._silences.append(_Silence(which, change.since_low, None, kind))
        self._silences = [
            one
            for one in self._silences[-_MAX_SILENCES:]
            if one.until is None or one.until > now - _REMEMBERED_MS
        ]

    def _take_back(self, now: int) -> list[Change]:
        """Take back the falls that are explained by a silence that was found later."""
        explained = [values for values, since in self._shown.items() if self._is_explained(values, since)]
        for values in explained:
            del self._shown[values]
            self._explained[values] = now
        return [Ended("conversion_fell", values) for values in explained]

    def _falls_shown(self, falls: Sequence[Change], now: int) -> list[Change]:
        """Return the changes of falls that no silence explains, or may soon explain."""
        shown: list[Change] = []
        nearly = [*self._reporting.silent()]
        for change in falls:
            values = change.values
            if isinstance(change, Ended):
                self._waiting.pop(values, None)
                self._explained.pop(values, None)
                if self._shown.pop(values, None) is not None:
                    shown.append(change)
            elif values in self._shown or self._may_show(change, nearly, now):
                self._shown[values] = change.since
                shown.append(change)
        return shown

    def _may_show(self, fall: Found, nearly: Sequence[Slice], now: int) -> bool:
        """Return whether a new fall is to be shown now."""
        values = fall.values
        if self._is_explained(values, fall.since):
            self._explained[values] = now
        if now - self._explained.get(values, now - _FORGETS_MS) < _FORGETS_MS:
            return False
        began = self._waiting.setdefault(values, now)
        # Nothing at all is verified: it takes the other detector some minutes to say whose fault that is.
        nothing = not values and fall.evidence.verified <= STRAGGLERS * fall.evidence.expected
        if now - began < _WAITS_MS and (nothing or any(overlap(Slice(values), which) for which in nearly)):
            return False
        del self._waiting[values]
        self._explained.pop(values, None)
        return True

    def _is_explained(self, values: Values, since: int) -> bool:
        """Return whether a silence explains a fall: it has all of its messages, or began with it."""
        return any(
            silence.until is None
            and overlap(silence.slice, Slice(values))
            and (silence.slice.covers(dict(values)) or abs(silence.since - since) <= _TOGETHER_MS)
            for silence in self._silences
        )


class _Audible:
    """The counts without the messages about which nobody reports."""

    def __init__(self, source: Source, silences: Sequence[_Silence]) -> None:
        self._source = source
        self._silences = silences

    def minute(self, start: int) -> Sequence[Count]:
        """See `Source.minute`."""
        return self._without(self._source.minute(start), start, start + MINUTE_MS)

    def hour(self, start: int) -> Sequence[Count]:
        """See `Source.hour`."""
        return self._without(self._source.hour(start), start, start + HOUR_MS)

    def _without(self, counts: Sequence[Count], start: int, end: int) -> Sequence[Count]:
        silent = [
            one.slice
            for one in self._silences
            if one.since < end and (one.until is None or one.until > start)
        ]
        if not silent:
            return counts
        return [
            count
            for count in counts
            if not any(which.covers(dict(zip(WATCHED, count.group, strict=True))) for which in silent)
        ]
