"""Slices of the traffic that are watched: all of it, one value of a dimension, or a pair of values. Pure."""

from collections.abc import Iterable, Sequence
from itertools import combinations

from msgspec import Struct

from otpconv.storage.contract import DIMENSIONS

#: The values of all dimensions, in the order of `DIMENSIONS`.
Group = tuple[str, ...]
#: Places in `DIMENSIONS`: the dimensions by which the slices of a kind are defined.
SliceKind = tuple[int, ...]

#: The dimensions of a message's route; the application that reports conversions does not depend on them.
ROUTE = ("country", "provider", "carrier")
#: The dimensions that tell applications apart.
APPLICATION = ("access_key", "template", "sender")
#: The order of values in a label; the country comes last: "acme in DE". Alerts can be about a vendor account.
_NAMED = ("vendor", "provider", "carrier", "channel", "template", "sender", "access_key", "country")
#: The word before a value in a label; by default the name of the dimension.
_BEFORE = {"country": "", "provider": "", "vendor": "vendor account "}


class Slice(Struct, frozen=True, order=True):
    """The messages that have these values; without values, all messages.

    Attributes:
        values: pairs of dimension and value, in the order of `DIMENSIONS`; an empty value is "unknown".
    """

    values: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, kind: SliceKind, values: Group) -> "Slice":
        """Return the slice with these values of the kind's dimensions."""
        return cls(tuple((DIMENSIONS[place], value) for place, value in zip(kind, values, strict=True)))

    def covers(self, group: dict[str, str]) -> bool:
        """Return whether all messages with these values of dimensions are in the slice."""
        return all(group.get(name) == value for name, value in self.values)

    @property
    def label(self) -> str:
        """The name for people, e.g. "acme in DE", "acme everywhere", "template login"."""
        values = dict(self.values)
        parts = [_part(name, values[name]) for name in _NAMED if name in values]
        if not parts:
            return "all traffic"
        if "country" in values and len(parts) > 1:
            return f"{', '.join(parts[:-1])} in {parts[-1]}"
        if len(parts) == 1 and {"country", "provider"} & values.keys():
            return f"{parts[0]} everywhere"
        return ", ".join(parts)


def kinds_of(groups: Iterable[Group], names: Sequence[str] = DIMENSIONS) -> list[SliceKind]:
    """Return the kinds of slices, by one or two dimensions, that separate these groups, the simplest first.

    A dimension with the same value in all groups has no kind. An access key is not paired: an application
    reports either all of its messages or none.
    """
    values: list[set[str]] = [set() for _ in DIMENSIONS]
    for group in groups:
        for place, value in enumerate(group):
            values[place].add(value)
    varied = [place for place, name in enumerate(DIMENSIONS) if name in names and len(values[place]) > 1]
    paired = [place for place in varied if DIMENSIONS[place] != "access_key"]
    return [(), *((place,) for place in varied), *combinations(paired, 2)]


def values_of(kind: SliceKind, group: Group) -> Group:
    """Return the values of the group that select its slice of a kind."""
    return tuple([group[place] for place in kind])


def overlap(a: Slice, b: Slice) -> bool:
    """Return whether two slices can have messages in common."""
    values = dict(a.values)
    return all(values.get(name, value) == value for name, value in b.values)


def is_route(kind: SliceKind) -> bool:
    """Return whether a kind has no other dimensions than country and provider."""
    return all(DIMENSIONS[place] in {"country", "provider"} for place in kind)


def _part(name: str, value: str) -> str:
    if not value:
        return f"unknown {name.replace('_', ' ')}"
    return f"{_BEFORE.get(name, name.replace('_', ' ') + ' ')}{value}"
