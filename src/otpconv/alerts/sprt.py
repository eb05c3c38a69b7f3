"""Wald's sequential probability ratio test of two shares. Pure.

Wald, A. (1945): Sequential Tests of Statistical Hypotheses. Annals of Mathematical Statistics 16(2).
"""

from math import log
from typing import Literal

from msgspec import Struct


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
