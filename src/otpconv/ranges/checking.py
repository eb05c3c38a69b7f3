"""How risky it is to send a message to a number, from the assessment of its range. Pure."""

from collections import Counter
from typing import Literal

from msgspec import Struct

from otpconv.ranges.finding import ELEVATED, Assessment, RangeFinding
from otpconv.ranges.number_plan import is_too_short

Risk = Literal["low", "elevated", "high"]

#: So many flagged ranges that differ in the last digit alone make their neighbours elevated, too.
_NEIGHBORS = 2


class Check(Struct, frozen=True):
    """The assessment of a number.

    Attributes:
        risk: of sending a message to it.
        reasons: in words.
        finding: the range that may be pumped; None if its range looks as usual, or had too few messages.
    """

    risk: Risk
    reasons: tuple[str, ...]
    finding: RangeFinding | None


class KnownRanges:
    """An assessment, to look up numbers in.

    Args:
        assessment: of the ranges of an account.
    """

    def __init__(self, assessment: Assessment) -> None:
        self.assessment = assessment
        self._by_prefix: dict[str, RangeFinding] = {}
        self._flagged_in: Counter[str] = Counter()
        for finding in reversed(assessment.findings):  # of two for the same prefix, the more probable one
            for prefix in {*finding.prefixes, *finding.judged.traffic.members}:
                self._by_prefix[prefix] = finding
            if finding.flagged:
                self._flagged_in.update(prefix[:-1] for prefix in finding.prefixes)

    def check(self, number_range: str) -> Check:
        """Return the assessment of the numbers of a range.

        Args:
            number_range: E.164 without the last four digits.
        """
        for end in range(len(number_range), 1, -1):
            prefix = number_range[:end]
            finding = self._by_prefix.get(prefix)
            if finding is not None and finding.judged.posterior >= ELEVATED:
                return Check("high" if finding.flagged else "elevated", (_reason(finding),), finding)
            if is_too_short(prefix):
                break
        neighbors = self._flagged_in[number_range[:-1]]
        if neighbors >= _NEIGHBORS:
            return Check("elevated", (f"{neighbors} neighbouring ranges look like fraud.",), None)
        return Check("low", (), None)


def _reason(finding: RangeFinding) -> str:
    judged = finding.judged
    traffic = judged.traffic
    return (
        f"Of {traffic.requested:,} messages to {traffic.number_range}, {traffic.verified:,} were verified."
        f" {judged.usual:.0%} are usual there."
    )
