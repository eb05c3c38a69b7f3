"""Finds routes whose own supplier may enter the codes (`codes_entered`). Pure.

`advice.suspicion` decides, as for the advice; here about the last days.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from otpconv.advice.route import RouteCount
from otpconv.advice.suspicion import Suspicion, suspicions
from otpconv.alerts.detector import Source
from otpconv.alerts.learning import Learning
from otpconv.alerts.memory import Memory, decoded
from otpconv.model import DELAY_BINS
from otpconv.rates.delays import total
from otpconv.storage.alerts.contract import Change, Ended, Evidence, Found, Severity, Values
from otpconv.storage.contract import DAY_MS, HOUR_MS, Count

#: Routes of all countries that are watched; further ones are not.
MAX_ROUTES: Final = 2_000
#: A route is judged by its last blocks of attempts. A block has so many, or those of so many hours.
_BLOCKS, _BLOCK, _BLOCK_HOURS = 4, 60, 18
#: It must be suspected for so many hours in a row to be found, and not be for so many to end.
_FOUND_HOURS, _ENDS_HOURS = 2, 24
#: It is critical once it has lasted so long, ms.
_CRITICAL_MS = DAY_MS

#: A country, a carrier and a provider.
_Route = tuple[str, str, str]


class _Block(Struct, gc=False, array_like=True):
    """Attempts of some hours in a row, and how they were verified."""

    hours: int
    attempts: int
    verified: int
    delays: tuple[int, ...]


_NOTHING = _Block(0, 0, 0, (0,) * DELAY_BINS)


class _Suspect(Struct, gc=False, array_like=True):
    """A provider in a country.

    Attributes:
        since: when it was first suspected, ms.
        hours: for how many hours in a row.
        quiet: for how many hours in a row it has not been.
        found: whether it is an alert.
        evidence: of the last suspicion.
    """

    since: int
    hours: int
    quiet: int
    found: bool
    evidence: Evidence


class Entering:
    """Watches for suppliers that enter the codes, once an hour."""

    name = "entering"

    def __init__(self) -> None:
        self._learning = Learning()
        #: The last blocks of each route, the newest last; that one grows.
        self._blocks: dict[_Route, list[_Block]] = {}
        self._suspects: dict[Values, _Suspect] = {}
        self._memory = Memory(self.name)

    def look(self, now: int, source: Source) -> Sequence[Change]:
        """See `Detector.look`."""
        changes: list[Change] = []
        for hour in self._learning.due(now):
            self._learn(source.hour(hour * HOUR_MS))
            changes += self._judge((hour + 1) * HOUR_MS)
        return changes

    def memory(self) -> Mapping[str, bytes]:
        """See `Detector.memory`."""
        upto = self._learning.next
        return self._memory.learned(upto, lambda: (upto, [*self._blocks.items()], [*self._suspects.items()]))

    def recall(self, parts: Mapping[str, bytes]) -> None:
        """See `Detector.recall`."""
        state = decoded(
            parts,
            "entering.learned",
            tuple[int, list[tuple[_Route, list[_Block]]], list[tuple[Values, _Suspect]]],
        )
        if state is not None:
            self._learning.next, blocks, suspects = state
            self._blocks, self._suspects = dict(blocks), dict(suspects)

    def _learn(self, counts: Sequence[Count]) -> None:
        sums: dict[_Route, tuple[int, int, tuple[int, ...]]] = {}
        for count in counts:
            country, carrier, provider = count.group[:3]
            tally = count.tally
            # Where attempts are not given, all messages count.
            first = 2 * tally.first_requested >= tally.requested
            attempts = tally.first_requested if first else tally.requested
            verified = tally.first_verified if first else tally.verified
            before = sums.get((country, carrier, provider), (0, 0, _NOTHING.delays))
            delays = total((before[2], count.delays)) if count.delays else before[2]
            sums[country, carrier, provider] = before[0] + attempts, before[1] + verified, delays
        for route in [*self._blocks, *(route for route in sums if route not in self._blocks)][:MAX_ROUTES]:
            attempts, verified, delays = sums.get(route, (0, 0, _NOTHING.delays))
            blocks = self._blocks.setdefault(route, [_NOTHING])
            if blocks[-1].attempts >= _BLOCK or blocks[-1].hours >= _BLOCK_HOURS:
                blocks.append(_NOTHING)
                del blocks[: -_BLOCKS - 1]
            last = blocks[-1]
            blocks[-1] = _Block(
                last.hours + 1,
                last.attempts + attempts,
                last.verified + verified,
                total((last.delays, delays)),
            )
        self._blocks = {
            route: blocks for route, blocks in self._blocks.items() if any(one.attempts for one in blocks)
        }

    def _judge(self, at: int) -> list[Change]:
        """Return what changes at the end of an hour, ms."""
        suspected = self._suspected()
        changes: list[Change] = []
        for values, some in suspected.items():
            suspect = self._suspects.get(values)
            if suspect is None:
                suspect = self._suspects[values] = _Suspect(at - HOUR_MS, 0, 0, False, Evidence())  # noqa: FBT003
            suspect.hours, suspect.quiet = suspect.hours + 1, 0
            suspect.evidence = _evidence(some)
            suspect.found = suspect.found or suspect.hours >= _FOUND_HOURS
        for values, suspect in [*self._suspects.items()]:
            if values not in suspected:
                suspect.hours, suspect.quiet = 0, suspect.quiet + 1
                if not suspect.found or suspect.quiet >= _ENDS_HOURS:
                    del self._suspects[values]
                    if suspect.found:
                        changes.append(Ended("codes_entered", values))
                    continue
            if suspect.found:
                changes.append(_found(values, suspect, at))
        return changes

    def _suspected(self) -> dict[Values, list[Suspicion]]:
        countries: dict[str, dict[str, list[RouteCount]]] = {}
        for (country, carrier, provider), blocks in self._blocks.items():
            attempts = sum(one.attempts for one in blocks)
            verified = min(attempts, sum(one.verified for one in blocks))
            route = RouteCount(provider, attempts, verified, delays=total(one.delays for one in blocks))
            countries.setdefault(country, {}).setdefault(carrier, []).append(route)
        return {
            (("country", country), ("provider", provider)): some
            for country, routes in countries.items()
            for provider, some in suspicions(routes).items()
        }


def _found(values: Values, suspect: _Suspect, at: int) -> Found:
    lasts = at - suspect.since
    severity: Severity = "critical" if lasts >= _CRITICAL_MS else "warning"
    low = suspect.since - _BLOCKS * _BLOCK_HOURS * HOUR_MS
    high = suspect.since + HOUR_MS
    return Found("codes_entered", values, severity, suspect.since, low, high, suspect.evidence)


def _evidence(some: Sequence[Suspicion]) -> Evidence:
    """Return the evidence of all suspicions of a provider."""
    rates = [suspicion for suspicion in some if suspicion.attempts]
    delays = [suspicion for suspicion in some if suspicion.p50_ms is not None]
    evidence: dict[str, float | bool | None] = {}
    for rate in rates:
        evidence |= {
            "requested": rate.attempts,
            "verified": rate.verified,
            "expected": rate.expected,
            "usual": rate.expected / rate.attempts,
            "first_attempts": True,
        }
    for delay in delays:
        evidence |= {
            "p50_ms": delay.p50_ms,
            "p90_ms": delay.p90_ms,
            "usual_p50_ms": delay.usual_p50_ms,
            "usual_p90_ms": delay.usual_p90_ms,
        }
    return Evidence(**evidence)  # type: ignore[arg-type]
