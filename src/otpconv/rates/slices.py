"""Slices of the traffic that are watched: everything, one value of a dimension, or a pair of values."""

from collections.abc import Iterable, Sequence
from itertools import combinations

from msgspec import Struct

from otpconv.storage.contract import DIMENSIONS

#: The values of all dimensions, in the order of `DIMENSIONS`.
Group = tuple[str, ...]
#: Places in `DIMENSIONS`: what slices of one kind have in common.
Kind = tuple[int, ...]

#: The dimensions that say which way a message takes; what reports conversions is none of them.
ROUTE = ("country", "provider", "carrier")
#: The dimensions that say which application a message is of.
APPLICATION = ("access_key", "template", "sender")
#: In this order a name says what a slice is; the country comes last: "acme in DE".
_NAMED = ("provider", "carrier", "channel", "template", "sender", "access_key", "country")
#: What is written before a value, where the value alone does not say what it is.
_BEFORE = {"country": "", "provider": ""}


class Slice(Struct, frozen=True, order=True):
    """The messages that have these values; without values, all messages.

    Attributes:
        values: pairs of dimension and value, in the order of `DIMENSIONS`; an empty value is "not given".
    """

    values: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, kind: Kind, values: Group) -> "Slice":
        """Return the slice of a kind with these values."""
        return cls(tuple((DIMENSIONS[place], value) for place, value in zip(kind, values, strict=True)))

    def covers(self, group: dict[str, str]) -> bool:
        """Tell whether all messages with the values of `group` are in the slice."""
        return all(group.get(name) == value for name, value in self.values)

    @property
    def label(self) -> str:
        """What people call it, e.g. "acme in DE", "acme everywhere", "template login"."""
        values = dict(self.values)
        parts = [_part(name, values[name]) for name in _NAMED if name in values]
        if not parts:
            return "all traffic"
        if "country" in values and len(parts) > 1:
            return f"{', '.join(parts[:-1])} in {parts[-1]}"
        if len(parts) == 1 and {"country", "provider"} & values.keys():
            return f"{parts[0]} everywhere"
        return ", ".join(parts)


def kinds_of(groups: Iterable[Group], names: Sequence[str] = DIMENSIONS) -> list[Kind]:
    """Return the kinds of slices that tell these groups apart by one or two dimensions, the simplest first.

    A dimension in which all groups agree makes no slice of its own. An access key is not paired: an
    application either reports or does not.
    """
    values: list[set[str]] = [set() for _ in DIMENSIONS]
    for group in groups:
        for place, value in enumerate(group):
            values[place].add(value)
    varied = [place for place, name in enumerate(DIMENSIONS) if name in names and len(values[place]) > 1]
    paired = [place for place in varied if DIMENSIONS[place] != "access_key"]
    return [(), *((place,) for place in varied), *combinations(paired, 2)]


def values_of(kind: Kind, group: Group) -> Group:
    """Return the values by which a group belongs to a slice of a kind."""
    return tuple([group[place] for place in kind])


def is_route(kind: Kind) -> bool:
    """Tell whether a kind is a country and a provider, or one of them."""
    return all(DIMENSIONS[place] in {"country", "provider"} for place in kind)


def _part(name: str, value: str) -> str:
    if not value:
        return f"no {name.replace('_', ' ')}"
    return f"{_BEFORE.get(name, name.replace('_', ' ') + ' ')}{value}"
