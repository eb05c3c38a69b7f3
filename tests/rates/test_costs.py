"""What messages cost: sums over generated worlds equal a recount message by message, to the millionth."""

import random
from collections import defaultdict
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from msgspec import Struct

from campaigns import rounds
from otpconv.access.prices import Price
from otpconv.errors import AnswerTooLarge
from otpconv.model import Conversion, Dimensions, Expiry, Report, Requested
from otpconv.rates import LEVELS, RateAnswer, compute_rates, parse_query
from otpconv.rates.cost import Cost
from otpconv.rates.plan import extent
from otpconv.rates.price_list import PriceList
from otpconv.rates.question import INTERVALS
from otpconv.receipts import Receipt, ReceiptStatus
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, CostCount, Window
from storage.engines import Engine, sqlite_first

NOW = 20_000 * DAY_MS
#: Rollups by minute are kept from here on.
KEPT = NOW - 2 * DAY_MS
CURRENCIES = ("EUR", "USD", "JPY")
STATUSES = (*ReceiptStatus, *(ReceiptStatus.DELIVERED,) * 4)
#: The documented order of prices: which of provider, country and channel they name.
ORDER = ("111", "110", "101", "011", "100", "010", "001", "000")
Key = tuple[int | None, tuple[str, ...]]


class Sent(Struct, frozen=True):
    """A message of a world, as the law has it."""

    at: int
    dimensions: Dimensions
    verified: bool
    status: ReceiptStatus
    own: tuple[int, str] | None


class World(Struct):
    """Messages, the reports about them, and a price list."""

    sent: list[Sent]
    reports: list[Report | Expiry]
    prices: list[Price]


def dimensions(chance: random.Random) -> Dimensions:
    pick = chance.choice
    return Dimensions(
        pick(["", "DE", "FR"]), pick(["", "x"]), pick(["", "acme", "blue"]), channel=pick(["sms", "voice"])
    )


def world(seed: int) -> World:
    chance = random.Random(seed)
    made = World([], [], prices(chance) if seed % 4 else [])
    own_share = chance.choice([0, 0.3, 1])
    for number in range(chance.choice([0, 1, 60, 60])):
        at = NOW - chance.choice([HOUR_MS, DAY_MS, 3 * DAY_MS, 40 * DAY_MS]) + chance.randrange(HOUR_MS)
        sent = Sent(
            min(at, NOW - 1),
            dimensions(chance),
            chance.random() < 0.6,
            chance.choice(STATUSES),
            (chance.choice([0, 1, 75_000, 10_000_000_000]), chance.choice(CURRENCIES))
            if chance.random() < own_share
            else None,
        )
        name, vendor = f"m{number}", chance.choice(["", f"v{number}"])
        made.sent.append(sent)
        made.reports.append(Requested(1, name, sent.at, sent.dimensions, vendor_message_id=vendor))
        if sent.verified:
            made.reports.append(Conversion(1, delivered=True, conversion_time=sent.at + 9, message_id=name))
        if sent.own:
            micros, currency = sent.own
            none = ReceiptStatus.NONE
            made.reports.append(Receipt(1, vendor or name, none, sent.at, price=micros, currency=currency))
        if sent.status is not ReceiptStatus.NONE:
            made.reports.append(Receipt(1, vendor or name, sent.status, sent.at + 5))
    theirs = Receipt(2, "theirs", ReceiptStatus.NONE, NOW, price=5, currency="EUR")
    made.reports += [Requested(2, "theirs", NOW - HOUR_MS), theirs]
    chance.shuffle(made.reports)
    made.reports.append(Expiry(unmatched_before=0, minutes_from=KEPT))
    return made


def prices(chance: random.Random) -> list[Price]:
    changes = [0, *(NOW - chance.randrange(48 * 24) * HOUR_MS for _ in range(4)), NOW - 2 * HOUR_MS]
    found = {}
    for _ in range(chance.choice([1, 4, 12])):
        price = Price(
            chance.choice(["", "acme", "blue"]),
            chance.choice(["", "DE", "FR"]),
            chance.choice(["", "sms", "voice"]),
            chance.choice(changes),
            chance.randrange(10_000_000_000),
            chance.choice(CURRENCIES),
        )
        found[price.key] = price
    return list(found.values())


def listed(sent: Sent, prices: list[Price]) -> Price | None:
    """The price of the list, by its documentation."""
    values = (sent.dimensions.provider, sent.dimensions.country, sent.dimensions.channel)
    fitting = [
        price
        for price in prices
        if price.since <= sent.at
        and all(not name or name == value for name, value in zip(price.key[:3], values, strict=True))
    ]
    return min(
        fitting,
        key=lambda price: (ORDER.index("".join("01"[bool(name)] for name in price.key[:3])), -price.since),
        default=None,
    )


def slot(sent: Sent, interval: str | None, zone: str) -> int | None:
    if interval is None:
        return None
    if interval == "1d":
        day = datetime.fromtimestamp(sent.at / 1000, ZoneInfo(zone)).date()
        return round(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp() * 1000)
    return sent.at - sent.at % INTERVALS[interval]


def question(chance: random.Random) -> dict[str, str]:
    interval = chance.choice(["", "", "1m", "5m", "15m", "1h", "1d"])
    back = 2 * DAY_MS if interval in {"1m", "5m"} else chance.choice([3 * HOUR_MS, 4 * DAY_MS, 45 * DAY_MS])
    end = NOW - chance.choice([0, 0, 20 * MINUTE_MS, 90 * MINUTE_MS])
    names = ["country", "provider", "channel", "carrier"]
    asked = {"start": str(max(end - back, KEPT if back == 2 * DAY_MS else 0)), "end": str(end)}
    asked |= {"interval": interval} if interval else {}
    asked |= {"tz": chance.choice(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"])}
    asked |= {"by": ",".join(chance.sample(names, chance.randint(0, 3)))}
    asked |= {"provider": "acme"} if chance.random() < 0.2 else {}
    return asked


def recount(made: World, found: RateAnswer, asked: dict[str, str]) -> dict[Key, list[Cost]]:
    by = [name for name in asked["by"].split(",") if name]
    sums: dict[tuple[Key, str], Cost] = {}
    for sent in made.sent:
        if not found.start <= sent.at < found.end or asked.get("provider", sent.dimensions.provider) != (
            sent.dimensions.provider
        ):
            continue
        key = (
            slot(sent, asked.get("interval"), asked["tz"]),
            tuple(getattr(sent.dimensions, name) for name in by),
        )
        price = listed(sent, made.prices)
        if sent.own is not None:
            micros, currency, from_list = *sent.own, 0
        elif price is not None:
            micros, currency, from_list = price.micros, price.currency, price.micros
        else:
            continue
        cost = Cost(currency, 1, micros, from_list)
        before = sums.get((key, currency))
        sums[key, currency] = cost if before is None else before + cost
    costs_of: dict[Key, list[Cost]] = defaultdict(list)
    for (key, _), cost in sorted(sums.items(), key=lambda item: item[0][1]):
        costs_of[key].append(cost)
    return costs_of


@sqlite_first
@pytest.mark.rounds
def test_costs_equal_a_recount_of_each_message(engine: Engine) -> None:
    for seed in range(rounds(120)):
        made = world(seed)
        with engine.open() as storage:
            storage.append(*made.reports)
            storage.apply_all()
            for number in range(6):
                asked = question(random.Random(f"{seed} {number}"))
                query = parse_query(asked.items(), NOW)
                found = compute_rates(storage.ledger, 1, query, NOW, PriceList(made.prices))
                expected = recount(made, found, asked)
                context = seed, number, asked
                assert {(row.start, row.group): list(row.costs or ()) for row in found.rows if row.costs} == (
                    expected
                ), context
                for row in found.rows:
                    priced = sum(cost.messages for cost in expected.get((row.start, row.group), ()))
                    assert row.unpriced == row.messages - priced, context
                within = [sent for sent in made.sent if found.start <= sent.at < found.end]
                if "provider" not in asked:
                    delivered = [sent for sent in within if sent.status is ReceiptStatus.DELIVERED]
                    rows = found.rows
                    assert sum(row.receipted for row in rows) == sum(sent.status > 0 for sent in within)
                    assert sum(row.delivered for row in rows) == len(delivered)
                    verified = sum(sent.verified for sent in delivered)
                    assert sum(row.delivered_verified for row in rows) == verified


@sqlite_first
def test_a_window_with_too_many_combinations_is_asked_about_in_parts(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world(2)
    with engine.open() as storage:
        storage.append(*made.reports)
        storage.apply_all()
        asked = {"start": str(NOW - 45 * DAY_MS), "end": str(NOW), "by": "country"}
        query, prices = parse_query(asked.items(), NOW), PriceList(made.prices)
        whole = compute_rates(storage.ledger, 1, query, NOW, prices).rows
        windows: list[int] = []
        real = storage.ledger.costs

        def cramped(account: int, window: Window, *rest: object) -> list[CostCount]:
            start, end = extent(window)
            windows.append(end - start)
            if end - start > 7 * HOUR_MS:
                raise AnswerTooLarge("too many")
            return real(account, window, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(storage.ledger, "costs", cramped)
        assert compute_rates(storage.ledger, 1, query, NOW, prices).rows == whole
        assert min(windows) <= 7 * HOUR_MS < max(windows)


@sqlite_first
def test_amounts_in_different_currencies_are_never_added_or_compared(engine: Engine) -> None:
    with engine.open() as storage:
        for name, country, micros, currency in (
            ("a", "DE", 3_000_000, "EUR"),
            ("b", "FR", 2_000_000, "EUR"),
            ("c", "JP", 900_000_000, "JPY"),
            ("d", "XX", 1_000_000, "EUR"),
            ("e", "XX", 1_000_000, "JPY"),
        ):
            storage.append(
                Requested(1, name, NOW - HOUR_MS, Dimensions(country)),
                Conversion(1, delivered=True, conversion_time=NOW - 9, message_id=name),
                Receipt(1, name, ReceiptStatus.NONE, NOW, price=micros, currency=currency),
            )
        storage.append(Requested(1, "f", NOW - HOUR_MS, Dimensions("ZZ")))
        storage.apply_all()
        for order, countries in (
            ("cost", ["FR", "DE", "JP", "XX", "ZZ"]),
            ("-cost", ["DE", "FR", "JP", "XX", "ZZ"]),
            ("-cost_per_verified", ["DE", "FR", "JP", "XX", "ZZ"]),
        ):
            query = parse_query([("by", "country"), ("order", order)], NOW)
            rows = compute_rates(storage.ledger, 1, query, NOW).rows
            assert [row.group[0] for row in rows] == countries
        mixed, none = rows[-2:]
        assert (mixed.cost, none.cost, none.unpriced) == (None, None, 1)
        assert [mixed.per_verified(cost) for cost in mixed.costs or ()] == [0.5, 0.5]
        query = parse_query([("by", "country"), ("top", "1"), ("order", "-requested")], NOW)
        other = compute_rates(storage.ledger, 1, query, NOW).rows[-1]
        assert {cost.currency: cost.micros for cost in other.costs or ()} == {
            "EUR": 5_000_000,
            "JPY": 900_000_000,
        }


@sqlite_first
def test_a_cost_is_divided_by_what_its_level_counts(engine: Engine) -> None:
    with engine.open() as storage:
        for name in ("a", "b"):
            storage.append(
                Requested(1, name, NOW - HOUR_MS, session_id="s", attempt=1 + (name == "b")),
                Receipt(1, name, ReceiptStatus.NONE, NOW, price=1_000_000, currency="EUR"),
            )
            storage.append(Conversion(1, delivered=True, conversion_time=NOW, message_id=name))
        storage.apply_all()
        found = {}
        for level in LEVELS:
            (row,) = compute_rates(storage.ledger, 1, parse_query([("level", level)], NOW), NOW).rows
            assert row.cost is not None
            found[level] = row.per_verified(row.cost)
        assert found == {"message": 1.0, "session": 2.0, "first_attempt": None}
