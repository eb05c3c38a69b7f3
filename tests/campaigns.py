"""How many rounds a campaign has: a test that repeats one thing with many seeds, kills, worlds or examples.

`make test` runs a short form of each campaign, `make campaign` the long form. Both make the same assertions.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")
#: Percent of the rounds of the long form.
SHARE = int(os.environ.get("CAMPAIGN", "10"))  # noqa: TID251 - no setting of the server
#: Whether every round, parameter and real value counts.
LONG_FORM = SHARE >= 100


def rounds(long_form: int, *, at_least: int = 10) -> int:
    """Return how many rounds to run.

    Args:
        long_form: the rounds of `make campaign`.
        at_least: what the assertions need to mean anything.
    """
    return max(at_least, long_form * SHARE // 100)


def parameters(long_form: Sequence[_T], in_short: Sequence[_T]) -> Sequence[_T]:
    """Return the parameters of a test: those of `make campaign`, or fewer of the same claim.

    Args:
        long_form: all parameters.
        in_short: those that `make test` runs.

    Raises:
        ValueError: one of `in_short` is not in `long_form`, so the campaign would lack it.
    """
    if missing := [each for each in in_short if each not in long_form]:
        raise ValueError(f"The long form lacks {missing}.")
    return long_form if LONG_FORM else in_short
