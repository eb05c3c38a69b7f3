"""What `make test` leaves to `make campaign`: further cases of a claim, and further rounds of a test.

`make test` shows each claim once. `make campaign` runs the tests that are marked `campaign`, and all rounds
of those that are marked `rounds` or use hypothesis. `.ci/run` runs both, but the campaign with fewer rounds.
"""

import os
from collections.abc import Sequence
from typing import Any

import pytest

_SHARE_OF_TESTS = 5
#: Whether `make campaign` runs, with any share of the rounds.
CAMPAIGN = "CAMPAIGN" in os.environ  # noqa: TID251 - no setting of the server
#: Percent of the rounds of the long form.
SHARE = int(os.environ.get("CAMPAIGN", _SHARE_OF_TESTS))  # noqa: TID251 - likewise
#: Whether every round and real value counts.
LONG_FORM = SHARE >= 100


def rounds(long_form: int, *, at_least: int = 10) -> int:
    """Return how many rounds to run.

    Args:
        long_form: the rounds of `make campaign`.
        at_least: what the assertions need to mean anything.
    """
    return max(at_least, long_form * SHARE // 100)


def parameters(cases: Sequence[Any], in_short: Sequence[Any], reason: str) -> list[Any]:
    """Return the parameters of a test: `make test` runs those `in_short`, `make campaign` the others.

    Args:
        cases: all parameters.
        in_short: enough of them to show the claim.
        reason: what the others repeat.

    Raises:
        ValueError: one of `in_short` is not in `cases`, or nothing is left for the campaign.
    """
    if missing := [case for case in in_short if case not in cases]:
        raise ValueError(f"The cases lack {missing}.")
    others = [case for case in cases if case not in in_short]
    if not others:
        raise ValueError(f"No case is left to the campaign: {reason}.")
    mark = pytest.mark.campaign(reason)
    return [*in_short, *(pytest.param(*_values(case), marks=mark) for case in others)]


def _values(case: object) -> tuple[object, ...]:
    return case if isinstance(case, tuple) else (case,)
