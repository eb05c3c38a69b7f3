"""Results of the checks of a data folder."""

from msgspec import Struct


class CheckResult(Struct, frozen=True):
    """The result of one check.

    Attributes:
        check: name of the check.
        ok: whether it passed.
        text: details.
        advice: what to do; empty if nothing is needed.
        examples: some of the wrong rows, one text each.
    """

    check: str
    ok: bool
    text: str
    advice: str = ""
    examples: tuple[str, ...] = ()
