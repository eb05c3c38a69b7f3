"""What an inspection of a data folder finds."""

from msgspec import Struct


class CheckResult(Struct, frozen=True):
    """The outcome of one check.

    Attributes:
        check: what was looked at.
        ok: whether it is as it should be.
        text: what was found.
        advice: what to do about it; empty when there is nothing to do.
    """

    check: str
    ok: bool
    text: str
    advice: str = ""
