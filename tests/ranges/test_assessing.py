"""The search for pumped ranges in the ledger of every engine, and the rates without them."""

from otpconv.access.prices import Price
from otpconv.model import Conversion, Dimensions, Report, Requested
from otpconv.ranges.assessing import assess
from otpconv.ranges.checking import KnownRanges
from otpconv.ranges.without import with_flagged
from otpconv.rates import RateQuery, compute_rates
from otpconv.rates.price_list import PriceList
from otpconv.storage.contract import DAY_MS, HOUR_MS
from otpconv.storage.range_counts import RangeCount
from storage.engines import Engine

NOW = 20_000 * DAY_MS
START = NOW - 2 * DAY_MS
PUMPED = "+491579001"
#: Requested and verified messages of a range; the pumped one has had a user before.
RANGES = {f"+4915110{number:02}": (12, 9 + number % 3) for number in range(25)} | {PUMPED: (40, 1)}


def reports() -> list[Report]:
    made: list[Report] = [
        _asked("before", PUMPED, "acme", START - DAY_MS),
        Conversion(1, True, START - DAY_MS + 1, "before"),
    ]
    for number_range, (requested, verified) in RANGES.items():
        for n in range(requested):
            name = f"{number_range}-{n}"
            made.append(_asked(name, number_range, ("acme", "bravo")[n % 2], START + n * HOUR_MS))
            if n < verified:
                made.append(Conversion(1, True, START + n * HOUR_MS + 20_000, name))
    return made


def _asked(name: str, number_range: str, provider: str, at: int) -> Requested:
    return Requested(1, name, at, Dimensions("DE", provider=provider), number_range=number_range)


def test_every_engine_counts_what_shows_a_pumped_range_and_the_rates_without_it(engine: Engine) -> None:
    prices = PriceList([Price("acme", "DE", "", 0, 100_000, "EUR")])
    with engine.open() as storage:
        storage.append(*reports())
        storage.apply_all()
        found = assess(storage.ledger, 1, (START, NOW), NOW, prices)
        assert (found.ranges, found.messages) == (len(RANGES), 12 * 25 + 40)
        (flagged,) = found.flagged
        traffic = flagged.judged.traffic
        assert (traffic.number_range, traffic.requested, traffic.verified) == (PUMPED, 40, 1)
        assert (traffic.verified_before, traffic.first_requested_at) == (1, START - DAY_MS)
        (cost,) = flagged.costs  # of acme's half: bravo has no price
        assert cost.micros == round(flagged.lost / 2 * 100_000)

        query = RateQuery(START, NOW, by=("provider",), filters={"country": ["DE"]})
        rows = compute_rates(storage.ledger, 1, query, NOW).rows
        rows, without = with_flagged(storage.ledger, 1, query, rows, NOW, lambda: KnownRanges(found))
        assert without.flagged == (PUMPED,)
        assert {row.group: (row.flagged.requested, row.flagged.verified) for row in rows if row.flagged} == {
            ("acme",): (20, 1),
            ("bravo",): (20, 0),
        }
        # As every engine counts them, in its own way.
        counts = storage.ledger.ranges(1, START, NOW, countries=["DE"], limit=1)
        assert counts == [RangeCount(PUMPED, "DE", "acme", START - DAY_MS, 20, 1, 1)]
