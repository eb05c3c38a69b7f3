"""What a watch finds."""

from msgspec import Struct

from otpconv.rates.slices import Slice


class Finding(Struct):
    """A fall of the conversion rate of a slice.

    Attributes:
        slice: which messages.
        since: about when it began, ms.
        found_at: when there was enough evidence, ms.
        until: when it ended, ms; None while it lasts.
        requested, verified: the messages of the slice between `since` and `found_at`.
        expected: how many of them were to be verified.
        usual: the usual rate at that time.
    """

    slice: Slice
    since: int
    found_at: int
    until: int | None
    requested: int
    verified: int
    expected: float
    usual: float
