"""Healthy routes, in seeded worlds: those that are named work, and those that work are named."""

from random import Random

from hypothesis import given, strategies as st

from alerts.showing.alerts import NOW, SINCE, alert
from campaigns import rounds
from otpconv.alerts.showing.routes import ENOUGH, MAX_PLACES, MAX_ROUTES, Place, RouteCounts, healthy_routes
from otpconv.model import DELAY_BINS, delay_bin
from otpconv.storage.alerts.contract import Alert, Evidence
from otpconv.storage.contract import HOUR_MS, Count, Tally

WORLDS = rounds(1_000, at_least=150)
#: What can be wrong with a route since the start of the alert: this part of its rate remains.
FAILING = (0.0, 0.2, 0.5)


class World:
    """A country with providers, of which acme fails, and some others may fail since then, too."""

    def __init__(self, seed: int) -> None:
        random = self._random = Random(seed)
        self.rates = {f"provider {n}": random.uniform(0.6, 0.92) for n in range(random.randrange(1, 6))}
        self.remains = {name: random.choice((1.0, 1.0, *FAILING)) for name in self.rates}
        self.an_hour = {name: random.choice((5, 40, 150, 600)) for name in self.rates}
        self.rates["acme"], self.remains["acme"], self.an_hour["acme"] = 0.85, 0.1, 200

    def counts(self) -> RouteCounts:
        fallen = {name: self.rates[name] * self.remains[name] for name in self.rates}
        return RouteCounts(
            self._counts(fallen, 3),
            {NOW - hours * HOUR_MS: self._mixed(fallen, hours) for hours in (1, 3, 24)},
            self._counts(self.rates, 28 * 24),
        )

    def _mixed(self, fallen: dict[str, float], hours: int) -> list[Count]:
        before = self._counts(self.rates, max(0, hours - 3))
        return [*before, *self._counts(fallen, min(hours, 3))]

    def _counts(self, rates: dict[str, float], hours: int) -> list[Count]:
        return [
            count("DE", name, self.an_hour[name] * hours, rate, self._random) for name, rate in rates.items()
        ]


def count(country: str, provider: str, requested: int, rate: float, random: Random) -> Count:
    mean, deviation = requested * rate, (requested * rate * (1 - rate)) ** 0.5
    verified = min(requested, max(0, round(random.gauss(mean, deviation))))
    return Count(0, (country, "", provider), Tally(requested, verified), delays(verified))


def delays(verified: int, delay_ms: int = 20_000) -> tuple[int, ...]:
    bins = [0] * DELAY_BINS
    bins[delay_bin(delay_ms)] = verified
    return tuple(bins)


def named(alert: Alert, counts: RouteCounts) -> set[str]:
    (place,) = healthy_routes(alert, counts, [])
    return {route.provider for route in place.routes}


def test_routes_that_are_named_work_and_those_that_work_are_named() -> None:
    """In 1,000 worlds, 99.5 % of the named routes work, and 95 % of those that work are named."""
    right = wrong = missed = 0
    for seed in range(WORLDS):
        world = World(seed)
        found = named(alert(), world.counts())
        working = {name for name, remains in world.remains.items() if remains == 1.0}
        busy = {name for name in working if world.an_hour[name] * 3 >= ENOUGH}
        right += len(found & working)
        wrong += len(found - working)
        missed += len(busy - found)
    assert wrong <= 0.005 * (right + wrong)
    assert missed <= 0.05 * (right + missed)


@given(st.integers(0, 10_000))
def test_the_provider_of_the_alert_and_those_of_other_alerts_are_never_named(seed: int) -> None:
    world = World(seed)
    world.remains = dict.fromkeys(world.rates, 1.0)
    counts = world.counts()
    (place,) = healthy_routes(alert(), counts, [])
    assert "acme" not in {route.provider for route in place.routes}
    assert len(place.routes) <= MAX_ROUTES
    other = alert("codes_entered", (("provider", "provider 0"),))
    (place,) = healthy_routes(alert(), counts, [other])
    assert "provider 0" not in {route.provider for route in place.routes}
    elsewhere = alert("codes_entered", (("country", "FR"), ("provider", "provider 0")))
    assert healthy_routes(alert(), counts, [elsewhere]) == healthy_routes(alert(), counts, [])


def test_of_an_alert_without_a_country_each_of_the_largest_has_its_own_routes() -> None:
    random, countries = Random(1), [f"C{n}" for n in range(MAX_PLACES + 3)]
    some = [
        each
        for n, country in enumerate(countries)
        for each in (
            count(country, "acme", 100 + n, 0.1, random),
            count(country, "bravo", 500, 0.85 if n % 2 else 0.1, random),
        )
    ]
    past = [count(country, name, 5_000, 0.85, random) for country in countries for name in ("acme", "bravo")]
    places = healthy_routes(alert(values=(("provider", "acme"),)), RouteCounts(some, {NOW: some}, past), [])
    assert [place.country for place in places] == countries[: -MAX_PLACES - 1 : -1]
    assert [bool(place.routes) for place in places] == [n % 2 == 1 for n in range(len(countries))][
        : -MAX_PLACES - 1 : -1
    ]
    assert {place.others for place in places} == {1}


def test_a_route_that_is_slow_too_is_no_way_out_of_slow_codes() -> None:
    seen = Evidence(requested=400, verified=300, p90_ms=300_000, usual_p90_ms=60_000, usual=0.8)
    slow = alert("slower", evidence=seen)
    random = Random(2)

    def routes(delay_ms: int) -> list[Place]:
        bravo = count("DE", "bravo", 1_000, 0.85, random)
        bravo = Count(0, bravo.group, bravo.tally, delays(bravo.tally.verified, delay_ms))
        some = [count("DE", "acme", 400, 0.75, random), bravo]
        return healthy_routes(slow, RouteCounts(some, {SINCE: some}, [bravo]), [])

    assert [route.provider for route in routes(40_000)[0].routes] == ["bravo"]
    assert routes(250_000)[0].routes == []
