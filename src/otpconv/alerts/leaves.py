"""The smallest slices that are counted, and the slices that they are in, by number. Pure."""

from itertools import combinations

from otpconv.model import OTHER
from otpconv.storage.alerts.contract import Values

#: A country, a carrier and a provider.
Leaf = tuple[str, str, str]

#: The dimensions of a leaf, in its order.
NAMES = ("country", "carrier", "provider")
#: Leaves of an account at most; the others are counted as one.
MAX_LEAVES = 2_000
REST: Leaf = (OTHER, OTHER, OTHER)
#: The dimensions of the slices of a leaf, as places in `NAMES`: all, each one, pairs, all three.
KINDS = tuple(places for size in range(4) for places in combinations(range(3), size))
#: Places in `KINDS` of the slices that a rate is learned from, each around the next one.
CHAIN = (KINDS.index(()), KINDS.index((0,)), KINDS.index((0, 2)), KINDS.index((0, 1, 2)))


class Leaves:
    """The leaves of an account and their slices.

    Attributes:
        leaves: by number.
        first: the hour since 1970 from which each one is known.
        slices: the numbers of the slices of each leaf, in the order of `KINDS`.
        values: what each slice has, by its number.
    """

    def __init__(self) -> None:
        self.leaves: list[Leaf] = []
        self.first: list[int] = []
        self.slices: list[tuple[int, ...]] = []
        self.values: list[Values] = []
        self._numbers: dict[Leaf, int] = {}
        self._slices: dict[Values, int] = {}

    def number(self, leaf: Leaf, hour: int) -> int:
        """Return the number of a leaf, which may be new; that of `REST` if there are too many.

        Args:
            leaf: what it has.
            hour: since 1970; kept if the leaf is new.
        """
        number = self._numbers.get(leaf)
        if number is not None:
            return number
        if len(self.leaves) >= MAX_LEAVES and leaf != REST:
            return self.number(REST, hour)
        number = self._numbers[leaf] = len(self.leaves)
        self.leaves.append(leaf)
        self.first.append(hour)
        self.slices.append(tuple(self._slice(places, leaf) for places in KINDS))
        return number

    def slice(self, values: Values) -> int:
        """Return the number of a slice, which may be new."""
        number = self._slices.get(values)
        if number is None:
            number = self._slices[values] = len(self.values)
            self.values.append(values)
        return number

    def _slice(self, places: tuple[int, ...], leaf: Leaf) -> int:
        return self.slice(tuple((NAMES[place], leaf[place]) for place in places))
