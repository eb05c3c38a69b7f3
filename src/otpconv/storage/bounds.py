"""How many dimensions a ledger counts separately."""

from msgspec import Struct


class Bounds(Struct, frozen=True):
    """How many dimensions of an account and day (UTC) are counted separately; all others count as `OTHER`.

    A ledger must keep the same bounds from its first entry on, since it contains what they decided.

    Attributes:
        values: values of each dimension, besides the empty one.
        combinations: combinations of values.
        routes: combinations of country, provider and channel, for messages beyond `combinations`. Messages
            beyond these too keep no value.
    """

    values: int
    combinations: int
    routes: int


#: With these, rates of 30 days take under half a second on a busy machine. Most accounts never reach them.
BOUNDS = Bounds(values=200, combinations=1_000, routes=250)
