"""How many rounds a campaign has: a test that repeats one thing with many seeds, kills, worlds or examples.

`make test` runs a short form of each campaign, `make campaign` the long form. Both make the same assertions.
"""

import os

#: Percent of the rounds of the long form.
SHARE = int(os.environ.get("CAMPAIGN", "10"))  # noqa: TID251 - no setting of the server


def rounds(long_form: int, *, at_least: int = 10) -> int:
    """Return how many rounds to run.

    Args:
        long_form: the rounds of `make campaign`.
        at_least: what the assertions need to mean anything.
    """
    return max(at_least, long_form * SHARE // 100)
