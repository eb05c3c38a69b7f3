"""Wald's sequential probability ratio test of two shares, and its exact characteristics. Pure.

Wald, A. (1945): Sequential Tests of Statistical Hypotheses. Annals of Mathematical Statistics 16(2).
"""

from math import log
from typing import Literal

from msgspec import Struct

#: The test is followed until the chance that it is undecided is below this.
_UNDECIDED = 1e-12
#: The most trials that `characteristics` follows.
MAX_TRIALS = 200_000


class Characteristics(Struct, frozen=True):
    """How a test behaves at one true share.

    Attributes:
        bad: the chance that it decides for the bad share.
        trials: how many trials it takes on average.
    """

    bad: float
    trials: float


class Sprt(Struct, frozen=True):
    """A test that decides between the usual share of failures and a bad one.

    Attributes:
        usual: p0.
        bad: p1; above p0.
        false_bad: alpha, the chance to decide for `bad` at `usual`.
        false_usual: beta, the chance to decide for `usual` at `bad`.
    """

    usual: float
    bad: float
    false_bad: float
    false_usual: float

    @property
    def bounds(self) -> tuple[float, float]:
        """The logarithms of B and A, between which the test goes on."""
        return log(self.false_usual / (1 - self.false_bad)), log((1 - self.false_usual) / self.false_bad)

    def ratio(self, trials: int, failures: int) -> float:
        """Return the logarithm of the likelihood ratio after so many trials."""
        return failures * log(self.bad / self.usual) + (trials - failures) * log(
            (1 - self.bad) / (1 - self.usual)
        )

    def decision(self, trials: int, failures: int) -> Literal["usual", "bad"] | None:
        """Return what the trials decide; None: not yet.

        Args:
            trials: since the start of the test.
            failures: those of them that failed.
        """
        lowest, highest = self.bounds
        ratio = self.ratio(trials, failures)
        return "bad" if ratio >= highest else "usual" if ratio <= lowest else None

    def characteristics(self, share: float) -> Characteristics:
        """Return how the test behaves at a true share of failures, by following all its states."""
        undecided, bad, mean = {0: 1.0}, 0.0, 0.0
        for trials in range(1, MAX_TRIALS):
            mean += sum(undecided.values())
            following: dict[int, float] = {}
            for failures, chance in undecided.items():
                for more, part in ((0, chance * (1 - share)), (1, chance * share)):
                    decision = self.decision(trials, failures + more)
                    if decision is None:
                        following[failures + more] = following.get(failures + more, 0.0) + part
                    elif decision == "bad":
                        bad += part
            undecided = following
            if sum(undecided.values()) < _UNDECIDED:
                break
        return Characteristics(bad, mean)
