"""Reports that collide: few accounts, messages and numbers, and times close to one another and to borders."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from hypothesis import strategies as st

from otpconv.ledger.forgetting import MINUTES_KEPT_MS
from otpconv.model import (
    BY_NUMBER_WINDOW_MS,
    Conversion,
    Dimensions,
    Expiry,
    Report,
    Requested,
    SelfReportedRate,
    Timing,
)
from otpconv.receipts import FAILURES, MAX_SHARED, Receipt, ReceiptStatus
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS, MINUTE_MS, QUARTER_MS, Window
from otpconv.storage.range_counts import RANGES_KEPT_MS

ACCOUNTS = (1, 2)
#: The beginning of a UTC day, ms: of an hour and of a minute too.
DAY = 1_750_032_000_000

DIMENSION_SETS = (
    Dimensions(),
    Dimensions(country="ES"),
    Dimensions(country="ES", access_key="K1"),
    Dimensions(country="ES", access_key="k2"),
    Dimensions(country="ES", carrier="Orange", provider="p1", template="t", sender="S"),
    Dimensions(country="ES", carrier="orange", provider="p2", template="t", sender="S"),
    Dimensions(country="ES", carrier="Ωμέγα", provider="p1", channel="voice"),
    Dimensions(country="PT", provider="p2", channel=""),
    Dimensions(country="PT", carrier="\U0001f4f1", template="'"),
)

#: From one report to the next, ms.
_SHIFTS = (
    *(0, 1, -1, 2),
    *(BY_NUMBER_WINDOW_MS - 1, BY_NUMBER_WINDOW_MS, BY_NUMBER_WINDOW_MS + 1),
    *(MINUTE_MS - 1, MINUTE_MS, HOUR_MS, -BY_NUMBER_WINDOW_MS),
)
accounts = st.sampled_from((1, 1, 1, 2))
times = st.builds(int.__add__, st.sampled_from([DAY, DAY, DAY - 1, DAY + HOUR_MS]), st.sampled_from(_SHIFTS))


def hashed(account: int, number: str) -> str:
    """Something like the hash of a number within an account; empty for none."""
    return f"{account}{number:0>15}" if number else ""


@dataclass
class World:
    """The few values that the reports of one example are made of, so that they are about the same things."""

    times: list[int]
    message_ids: list[str]
    numbers: list[str]
    dimensions: list[Dimensions]
    sessions: Sequence[str] = ("", "", "s", "t")
    most: int = 16
    vendor_ids: Sequence[str] = ("", "", "", "v", "w", "a")


_small_worlds = st.builds(
    World,
    st.lists(times, min_size=1, max_size=4),
    st.sampled_from([["a"], ["a", "b"], ["B", "a", "c/10", "c-9"]]),
    st.sampled_from([["5"], ["5", "6"], ["", "5"], ["", "5", "5", "6"]]),
    st.lists(st.sampled_from(DIMENSION_SETS), min_size=1, max_size=3),
)
#: Where a number or a session has many messages, several of them at one instant.
_busy_worlds = st.builds(
    World,
    st.lists(times, min_size=2, max_size=6),
    st.just([*"abcdefgh"]),
    st.sampled_from([["5"], ["5", "5", "6"]]),
    st.lists(st.sampled_from(DIMENSION_SETS), min_size=1, max_size=2),
    st.sampled_from([["s"], ["s", "s", "t", ""]]),
    st.just(30),
)
#: Where more messages name one id of a vendor than can have its receipts.
_shared_worlds = st.builds(
    World,
    st.lists(times, min_size=1, max_size=3),
    st.just([f"m{number}" for number in range(MAX_SHARED + 3)]),
    st.just([""]),
    st.lists(st.sampled_from(DIMENSION_SETS), min_size=1, max_size=2),
    st.just([""]),
    st.just(40),
    st.sampled_from([("v",), ("v", "v", "v", "")]),
)
#: Where each message that names an id of a vendor can have its receipts.
simple_worlds = st.one_of(_small_worlds, _busy_worlds)
worlds = st.one_of(_small_worlds, _small_worlds, _busy_worlds, _shared_worlds)


@st.composite
def requested(draw: st.DrawFn, world: World) -> Requested:
    account = draw(accounts)
    number = draw(st.sampled_from(world.numbers))
    return Requested(
        account,
        draw(st.sampled_from(world.message_ids)),
        draw(st.sampled_from(world.times)),
        draw(st.sampled_from(world.dimensions)),
        hashed(account, number),
        number and f"range of {number}",
        draw(st.sampled_from(world.sessions)),
        draw(st.sampled_from([0, 0, 1, 2])),
        draw(st.sampled_from(world.vendor_ids)),
    )


@st.composite
def receipts(draw: st.DrawFn, world: World) -> Receipt:
    status = draw(st.sampled_from(ReceiptStatus))
    price = draw(st.sampled_from([None, 0, 5, 7]))
    return Receipt(
        draw(accounts),
        draw(st.sampled_from([*world.message_ids[:3], *(each for each in world.vendor_ids if each)])),
        status,
        draw(st.sampled_from(world.times)) + draw(st.sampled_from([0, 0, 1])),
        draw(st.sampled_from(["", "30003", "E1"])) if status in FAILURES else "",
        price,
        "" if price is None else draw(st.sampled_from(["EUR", "USD"])),
        draw(st.integers(0, 2)),
    )


@st.composite
def conversions(draw: st.DrawFn, world: World) -> Conversion:
    account = draw(accounts)
    message_id = draw(st.sampled_from(["", *world.message_ids]))
    number = draw(st.sampled_from(world.numbers if message_id else [each or "5" for each in world.numbers]))
    delivered = draw(st.sampled_from([True, True, False]))
    time = draw(st.sampled_from(world.times)) + draw(st.sampled_from([0, 0, 0, 1, 2]))
    timing = draw(st.sampled_from([Timing.GIVEN, *Timing])) if message_id else Timing.GIVEN
    return Conversion(account, delivered, time, message_id, hashed(account, number), timing)


def facts(world: World) -> st.SearchStrategy[Requested | Conversion]:
    return st.one_of(requested(world), conversions(world))


def reports(world: World) -> st.SearchStrategy[Report]:
    rates = st.builds(
        SelfReportedRate, accounts, st.sampled_from(world.times), st.sampled_from([0.0, 0.25, 1.0])
    )
    return st.one_of(*[facts(world)] * 5, receipts(world), receipts(world), rates)


def entries(world: World) -> st.SearchStrategy[Report | Expiry]:
    horizons = st.builds(int.__add__, st.sampled_from(world.times), st.sampled_from([0, 0, 1, MINUTE_MS]))
    minutes = horizons.map(lambda time: time // MINUTE_MS * MINUTE_MS)
    # The later ones forget rollups by range, too.
    later = minutes.map(lambda time: time + RANGES_KEPT_MS - MINUTES_KEPT_MS)
    expiries = st.builds(Expiry, horizons, st.one_of(minutes, minutes, later))
    return st.one_of(*[reports(world)] * 5, expiries)


some_facts = worlds.flatmap(lambda world: st.lists(facts(world), max_size=world.most))
some_reports = worlds.flatmap(lambda world: st.lists(reports(world), max_size=world.most))
some_entries = worlds.flatmap(lambda world: st.lists(entries(world), max_size=world.most))


class Question(NamedTuple):
    account: int
    window: Window
    by: Sequence[str]
    filters: Mapping[str, Collection[str]]


T = TypeVar("T")


@dataclass
class Step(Generic[T]):
    """Some entries on their way: appended together, then applied (or not yet), then a restart (or none)."""

    batch: list[T]
    apply: int
    restart: bool


@st.composite
def steps(draw: st.DrawFn, order: list[T]) -> list[Step[T]]:
    """All of the entries in this order, cut into steps."""
    cut = []
    while order:
        size = draw(st.integers(1, len(order)))
        cut.append(Step(order[:size], draw(st.integers(0, 4)), draw(st.booleans())))
        order = order[size:]
    return cut


@st.composite
def arrangements(draw: st.DrawFn, about: list[T]) -> list[Step[T]]:
    """All of the reports, some of them several times, in some order, cut into steps."""
    again = draw(st.lists(st.sampled_from(about), max_size=4)) if about else []
    return draw(steps(draw(st.permutations(about + again))))


def spans(grain_ms: int) -> st.SearchStrategy[tuple[int, int]]:
    """Half-open ranges of whole hours or minutes, the empty one too."""
    edges = times.map(lambda time: time // grain_ms * grain_ms)
    return st.tuples(edges, st.one_of(edges, edges.map(lambda edge: edge + grain_ms))).map(
        lambda ends: (min(ends), max(ends))
    )


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """What `LedgerReader.counts` is asked."""
    values = {name: sorted({getattr(each, name) for each in DIMENSION_SETS} | {"?"}) for name in DIMENSIONS}
    filtered = draw(st.sets(st.sampled_from(DIMENSIONS), max_size=2))
    quarters = tuple(draw(st.lists(spans(QUARTER_MS), max_size=2)))
    steps = [None, QUARTER_MS, HOUR_MS, DAY_MS, *([] if quarters else [MINUTE_MS, 5 * MINUTE_MS])]
    return Question(
        draw(accounts),
        Window(
            tuple(draw(st.lists(spans(DAY_MS), max_size=2))),
            tuple(draw(st.lists(spans(HOUR_MS), max_size=2))),
            quarters,
            tuple(draw(st.lists(spans(MINUTE_MS), max_size=2))),
            draw(st.sampled_from(steps)),
        ),
        draw(st.permutations(DIMENSIONS))[: draw(st.integers(0, 3))],
        {name: draw(st.lists(st.sampled_from(values[name]), max_size=3)) for name in sorted(filtered)},
    )
