"""A fall that lasts: its messages since it began, how bad it is, and whether it has ended. Pure."""

from math import sqrt

from msgspec import Struct

from otpconv.alerts.level import ENDED, GOES_ON, bounded, ratio
from otpconv.storage.alerts.contract import Evidence, Found, Severity, Values
from otpconv.storage.contract import DAY_MS

#: So many verifications are lost in a critical fall; fewer, if nearly all are.
_CRITICAL_LOST, _CRITICAL_LOST_OF_ALL, _NEARLY_ALL = 100.0, 20.0, 0.7
#: A fall of a slice without messages ends after this time; one that lasts becomes usual, ms.
_SILENT_MS, _ACCEPTED_MS = DAY_MS, 7 * DAY_MS
#: Standard deviations of the band that has 95 %.
_BAND = 1.96


class Lasting(Struct):
    """A fall of a slice.

    Attributes:
        values: which slice.
        found_at: when it was found, ms.
        since, since_low, since_high: when it began, and the interval of that, ms.
        heard_at: when its last message was counted, ms.
        severity: the worst so far.
        requested, verified, expected: its messages since it began.
        nats: the state of the test whether it has ended.
    """

    values: Values
    found_at: int
    since: int
    since_low: int
    since_high: int
    heard_at: int
    severity: Severity = "warning"
    requested: int = 0
    verified: float = 0
    expected: float = 0.0
    nats: float = 0.0

    def add(self, requested: int, verified: float, expected: float, at: int) -> None:
        """Add messages of a time that ended at `at`, ms; they also test whether it has ended."""
        self.count(requested, verified, expected)
        self.heard_at = at
        self.nats += ratio(requested, verified, bounded(1 - expected / requested))

    def count(self, requested: int, verified: float, expected: float) -> None:
        """Add messages."""
        self.requested += requested
        self.verified += verified
        self.expected += expected
        lost = self.expected - self.verified
        nearly_all = lost >= _NEARLY_ALL * self.expected
        if lost >= (_CRITICAL_LOST_OF_ALL if nearly_all else _CRITICAL_LOST):
            self.severity = "critical"

    def has_ended(self, at: int) -> bool:
        """Return whether it has ended at a time, ms; begins another test if the last one says it goes on."""
        if self.nats >= GOES_ON:
            self.nats = 0.0
        return self.nats <= ENDED or at - self.heard_at >= _SILENT_MS or self.is_usual(at)

    def is_usual(self, at: int) -> bool:
        """Return whether it has lasted so long that it is usual now."""
        return at - self.found_at >= _ACCEPTED_MS

    def found(self, *, first_attempts: bool) -> Found:
        """Return what to say of it.

        Args:
            first_attempts: whether only first attempts are counted.
        """
        usual = self.expected / self.requested
        band = _BAND * sqrt(self.expected * (1 - usual))
        evidence = Evidence(
            requested=self.requested,
            verified=round(self.verified),
            expected=self.expected,
            expected_low=max(0.0, self.expected - band),
            expected_high=min(float(self.requested), self.expected + band),
            usual=usual,
            first_attempts=first_attempts,
        )
        return Found(
            "conversion_fell",
            self.values,
            self.severity,
            self.since,
            self.since_low,
            self.since_high,
            evidence,
        )
