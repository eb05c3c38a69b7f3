"""What a watch remembers, as parts: the levels change each minute, learned counts once an hour. Pure.

The parts are `leaves`, `minute/0` to `minute/119`, `hour/0` to `hour/31`, `week/0` to `week/167`, and the
state. A part has at most 12 bytes for each of `MAX_LEAVES` leaves and both counts, so all of them have at
most 16 MB; typical are 2 MB for 500 leaves.
"""

from array import array
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from otpconv.alerts.lasting import Lasting
from otpconv.alerts.leaves import Leaf
from otpconv.alerts.level import Level
from otpconv.alerts.past import WEEK, Cell, hour_of
from otpconv.alerts.recent import LEARNED_LATER, Batch, Seen
from otpconv.alerts.watching import Watch

#: Parts of a kind: more than there are minutes in `Recent.batches`, and hours in `Recent.hours`.
_PARTS: Final = {"minute": 120, "hour": 32, "week": WEEK, "leaves": 1}


class _Leaves(Struct, array_like=True):
    leaves: list[Leaf]
    first: list[int]


class _Hour(Struct, array_like=True):
    hour: int
    seen: dict[int, Seen]


class _Week(Struct, array_like=True):
    hour: int
    requested: bytes
    verified: bytes


class _Level(Struct, array_like=True):
    """A level; `leaf` is one of the leaves of the slice, and `kind` its place in `KINDS`."""

    leaf: int
    kind: int
    level: Level


class State(Struct):
    """What changes each minute.

    Attributes:
        hour, learned: as in `Watch`.
        falls, losses: the levels.
        lasting: the falls that last.
    """

    hour: int
    learned: int
    falls: list[_Level]
    losses: list[_Level]
    lasting: list[Lasting]


def state_of(watch: Watch) -> State:
    """Return what changes each minute."""
    places = {
        each: (leaf, kind)
        for leaf, slices in enumerate(watch.leaves.slices)
        for kind, each in enumerate(slices)
    }
    falls, losses = (
        [_Level(*places[each], level) for each, level in levels.items()]
        for levels in (watch.falls, watch.losses)
    )
    return State(watch.hour, watch.learned, falls, losses, [*watch.lasting.values()])


def changed_parts(watch: Watch) -> dict[str, bytes]:
    """Return the other parts that changed, by name, and clear `Watch.changed`."""
    batches = {("minute", batch.start // 60_000): batch for batch in watch.recent.batches}
    parts: dict[str, bytes] = {}
    for kind, number in watch.changed:
        part: object
        if kind == "minute":
            part = batches.get((kind, number))
        elif kind == "hour":
            seen = watch.recent.hours.get(number)
            part = None if seen is None else _Hour(number, seen)
        elif kind == "week":
            cell = watch.past.cells[number % WEEK]
            part = cell and _Week(cell.hour, cell.requested.tobytes(), cell.verified.tobytes())
        else:
            part = _Leaves(watch.leaves.leaves, watch.leaves.first)
        if part is not None:
            parts[f"{kind}/{number % _PARTS[kind]}"] = msgspec.msgpack.encode(part)
    watch.changed.clear()
    return parts


def recalled(watch: Watch, state: State, parts: Mapping[str, bytes]) -> None:
    """Make a new watch as another one was.

    Args:
        watch: a new one.
        state: of the other one.
        parts: all of its other parts.

    Raises:
        msgspec.DecodeError: a part is from another version.
    """
    if "leaves/0" not in parts:
        return
    leaves = msgspec.msgpack.decode(parts["leaves/0"], type=_Leaves)
    for leaf, first in zip(leaves.leaves, leaves.first, strict=True):
        watch.leaves.number(leaf, first)
    for part in _of(parts, "week"):
        week = msgspec.msgpack.decode(part, type=_Week)
        requested, verified = array("f", week.requested), array("f", week.verified)
        watch.past.cells[week.hour % WEEK] = Cell(week.hour, requested, verified)
    hours = [msgspec.msgpack.decode(part, type=_Hour) for part in _of(parts, "hour")]
    oldest = max(state.learned, state.hour - LEARNED_LATER)
    watch.recent.hours = {each.hour: each.seen for each in hours if each.hour > oldest}
    batches = [msgspec.msgpack.decode(part, type=Batch) for part in _of(parts, "minute")]
    batches.sort(key=lambda batch: batch.start)
    watch.recent.batches.extend(batch for batch in batches if hour_of(batch.start) >= state.hour - 1)
    watch.hour, watch.learned = state.hour, state.learned
    for levels, remembered in ((watch.falls, state.falls), (watch.losses, state.losses)):
        for each in remembered:
            levels[watch.leaves.slices[each.leaf][each.kind]] = each.level
    watch.lasting = {watch.leaves.slice(each.values): each for each in state.lasting}
    watch.plan()
    watch.changed.clear()


def _of(parts: Mapping[str, bytes], kind: str) -> Iterable[bytes]:
    return (part for name, part in sorted(parts.items()) if name.startswith(f"{kind}/"))
