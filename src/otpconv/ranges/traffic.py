"""The messages to number ranges, rolled up until there are enough to judge. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from otpconv.ranges.number_plan import is_too_short
from otpconv.storage.range_counts import RangeCount

#: The fewest messages that are judged, and the most digits that are dropped from a range to get so many.
LEAST_MESSAGES, MOST_DROPPED = 8, 4


class RangeTraffic(Struct, frozen=True):
    """The messages to a number range in a window, and before it.

    Attributes:
        number_range: the longest prefix of E.164 that all `members` have in common.
        members: the ranges that were counted.
        country: ISO 3166 alpha-2; empty if unknown.
        carrier: the network that owns the range; empty if unknown.
        requested, verified: messages of the window.
        providers: the same by provider.
        first_requested_at: when the range is first known to have had messages, ms.
        verified_before: messages before the window that were verified.
        pairs: the ordered pairs of messages of the window that are to the same member.
    """

    number_range: str
    members: tuple[str, ...]
    country: str
    carrier: str
    requested: int
    verified: int
    providers: dict[str, tuple[int, int]]
    first_requested_at: int
    verified_before: int
    pairs: int


def roll_up(counts: Iterable[RangeCount], carrier_of: Callable[[str], str]) -> list[RangeTraffic]:
    """Return ranges with at least `LEAST_MESSAGES` messages each, and no message twice.

    A range with fewer is joined with others that begin alike, until they have enough. Those that stay too
    few, or whose prefix would be about as large as a country, are left out.

    Args:
        counts: by range, country and provider.
        carrier_of: the network that owns a range.
    """
    by_range: defaultdict[tuple[str, str], list[RangeCount]] = defaultdict(list)
    for count in counts:
        if not is_too_short(count.number_range):
            by_range[count.number_range, count.country].append(count)
    ranges = [_of_range(*key, carrier_of(key[0]), some) for key, some in by_range.items()]
    enough = [traffic for traffic in ranges if traffic.requested >= LEAST_MESSAGES]
    few = [traffic for traffic in ranges if 0 < traffic.requested < LEAST_MESSAGES]
    enough += _joined(few)
    return sorted(enough, key=lambda traffic: (traffic.number_range, traffic.country, traffic.carrier))


def _joined(few: Iterable[RangeTraffic]) -> Iterator[RangeTraffic]:
    """Join ranges that begin alike, the longest prefixes first, and yield those with enough messages."""
    joined: defaultdict[str, dict[tuple[str, str], RangeTraffic]] = defaultdict(dict)
    for traffic in few:
        joined[traffic.number_range][traffic.country, traffic.carrier] = traffic
    for length in range(max(map(len, joined), default=0), 0, -1):
        for prefix in sorted(prefix for prefix in joined if len(prefix) == length):
            for key, traffic in joined.pop(prefix).items():
                if traffic.requested >= LEAST_MESSAGES:
                    yield traffic
                elif not _is_end(parent := prefix[:-1], traffic):
                    other = joined[parent].get(key)
                    joined[parent][key] = _join(other, traffic) if other else traffic


def _is_end(prefix: str, traffic: RangeTraffic) -> bool:
    return is_too_short(prefix) or max(map(len, traffic.members)) - len(prefix) > MOST_DROPPED


def _of_range(number_range: str, country: str, carrier: str, counts: Iterable[RangeCount]) -> RangeTraffic:
    counts = list(counts)
    requested = sum(count.requested for count in counts)
    return RangeTraffic(
        number_range,
        (number_range,),
        country,
        carrier,
        requested,
        sum(count.verified for count in counts),
        {count.provider: (count.requested, count.verified) for count in counts if count.requested},
        min(count.first_requested_at for count in counts),
        sum(count.verified_before for count in counts),
        requested * (requested - 1),
    )


def _join(one: RangeTraffic, other: RangeTraffic) -> RangeTraffic:
    providers = dict(one.providers)
    for provider, (requested, verified) in other.providers.items():
        before = providers.get(provider, (0, 0))
        providers[provider] = before[0] + requested, before[1] + verified
    members = tuple(sorted({*one.members, *other.members}))
    return RangeTraffic(
        _common_prefix(members),
        members,
        one.country,
        one.carrier,
        one.requested + other.requested,
        one.verified + other.verified,
        providers,
        min(one.first_requested_at, other.first_requested_at),
        one.verified_before + other.verified_before,
        one.pairs + other.pairs,
    )


def _common_prefix(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    differ = (place for place, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1)
    return first[: next(differ, None)]
