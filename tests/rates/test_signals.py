"""Finding failures: pure cases, and seeded worlds in a real ledger."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.dataset import record
from benchmarks.verdicts import FAULTS, try_world
from benchmarks.worlds import World
from campaigns import rounds
from constants import smaller
from otpconv.model import Conversion, Dimensions, Requested
from otpconv.rates.baseline import Baseline, GroupCount, WatchedSpan
from otpconv.rates.evidence import find_evidence
from otpconv.rates.fetch import learn_maturity
from otpconv.rates.question import RateQuery
from otpconv.rates.signals import Assessment, Evidence, assess
from otpconv.rates.slices import Group, Slice
from otpconv.storage.contract import DAY_MS, DIMENSIONS, HOUR_MS, Entry
from otpconv.storage.sqlite import SqliteLedgerReader

NOW = 1_795_737_600_000
#: Requested, verified and reported by group.
Table = dict[Group, tuple[int, int, int]]
COUNTRIES, PROVIDERS, TEMPLATES = ("DE", "FR", "IN", "BR"), ("acme", "zeta", "omega"), ("login", "signup")


def group(**values: str) -> Group:
    return tuple(values.get(name, "sms" if name == "channel" else "") for name in DIMENSIONS)


GROUPS = [
    group(country=country, provider=provider, template=template)
    for country in COUNTRIES
    for provider in PROVIDERS
    for template in TEMPLATES
]


def assessed(now: Table, past: Table, length: int = HOUR_MS) -> Assessment:
    """The signals of one span, given how each group usually does."""
    baseline = Baseline({name: GroupCount(*counts) for name, counts in past.items()})
    seen = {name: GroupCount(*counts) for name, counts in now.items()}
    return assess([WatchedSpan("1 h", NOW - length, NOW, seen, {}, {}, baseline)], NOW)


def table(requested: int, share: Callable[[dict[str, str]], float], reported: float = 0.0) -> Table:
    """The same number of messages in each group; a share is verified, of the others some are reported."""
    made: Table = {}
    for each in GROUPS:
        verified = round(requested * share(dict(zip(DIMENSIONS, each, strict=True))))
        made[each] = requested, verified, verified + round((requested - verified) * reported)
    return made


PAST = table(1000, lambda _: 0.75)


def named(found: Assessment) -> list[str]:
    return [drop.slice.label for drop in found.drops]


@pytest.mark.parametrize(
    ("broken", "label"),
    [
        ({"country": "DE", "provider": "acme"}, "acme in DE"),
        ({"provider": "acme"}, "acme everywhere"),
        ({"country": "DE"}, "DE everywhere"),
        ({"template": "login"}, "template login"),
        ({}, "all traffic"),
    ],
)
def test_the_smallest_slice_that_explains_the_loss_is_named_once(broken: dict[str, str], label: str) -> None:
    now = table(40, lambda each: 0.1 if broken.items() <= each.items() else 0.75)
    found = assessed(now, PAST)
    assert named(found) == [label]
    assert found.silences == []


def test_two_faults_are_both_named_and_the_costlier_one_first() -> None:
    def share(each: dict[str, str]) -> float:
        if each["country"] == "DE" and each["provider"] == "acme":
            return 0.1
        return 0.4 if each["country"] == "IN" else 0.75

    found = assessed(table(60, share), PAST)
    assert set(named(found)) == {"acme in DE", "IN everywhere"}
    assert [drop.lost for drop in found.drops] == sorted((drop.lost for drop in found.drops), reverse=True)


def test_more_traffic_to_a_poor_route_is_no_drop_of_it() -> None:
    past = table(1000, lambda each: 0.3 if each["country"] == "IN" else 0.8)
    now = {name: (400, 120, 120) if "IN" in name else (40, 32, 32) for name in GROUPS}
    assert named(assessed(now, past)) == []


def test_a_silent_application_is_told_from_failing_routes_by_its_siblings() -> None:
    now = table(40, lambda each: 0.0 if each["template"] == "login" else 0.75)
    found = assessed(now, PAST)
    assert [silence.slice.label for silence in found.silences] == ["template login"]
    assert named(found) == []


def test_a_provider_that_fails_completely_is_not_called_silent() -> None:
    found = assessed(table(40, lambda each: 0.0 if each["provider"] == "acme" else 0.75), PAST)
    assert found.silences == []
    assert named(found) == ["acme everywhere"]


@pytest.mark.parametrize("name", ["provider", "country", "template"])
def test_where_unused_codes_were_reported_their_absence_is_silence(name: str) -> None:
    value = {"provider": "acme", "country": "DE", "template": "login"}[name]
    past = table(1000, lambda _: 0.75, reported=1.0)
    now = {
        each: (40, 0, 0) if value in each else counts
        for each, counts in table(40, lambda _: 0.75, reported=1.0).items()
    }
    found = assessed(now, past)
    assert [silence.slice for silence in found.silences] == [Slice(((name, value),))]
    assert named(found) == []


def test_where_unused_codes_are_still_reported_it_is_a_drop() -> None:
    past = table(1000, lambda _: 0.75, reported=1.0)
    now = table(40, lambda each: 0.0 if each["template"] == "login" else 0.75, reported=1.0)
    found = assessed(now, past)
    assert found.silences == []
    assert named(found) == ["template login"]


def test_when_nobody_reports_the_account_is_silent_and_no_route_is_blamed() -> None:
    found = assessed(table(10, lambda _: 0.0), PAST)
    assert [silence.slice for silence in found.silences] == [Slice()]
    assert named(found) == []


def test_an_application_that_never_reported_is_not_called_silent() -> None:
    past = table(1000, lambda each: 0.0 if each["template"] == "login" else 0.75)
    now = table(40, lambda each: 0.0 if each["template"] == "login" else 0.75)
    found = assessed(now, past)
    assert (found.silences, named(found)) == ([], [])


@pytest.mark.rounds
@pytest.mark.parametrize("most", [200, 5_000])
def test_chance_alone_is_hardly_ever_named(most: int) -> None:
    chance = random.Random(11)
    wrong, worlds = 0, rounds(400)
    for _ in range(worlds):
        requested, rate = chance.randrange(most), chance.uniform(0.05, 0.95)
        now = {
            each: (requested, verified, verified)
            for each in GROUPS
            for verified in [sum(chance.random() < rate for _ in range(requested))]
        }
        found = assessed(now, dict.fromkeys(GROUPS, (1000, *[round(1000 * rate)] * 2)))
        wrong += bool(found.silences or found.drops)
    assert wrong <= 0.05 * worlds


@pytest.mark.long("fills a ledger with tens of thousands of messages for every world")
@pytest.mark.rounds
@pytest.mark.parametrize("fault", FAULTS)
def test_verdicts_agree_with_seeded_worlds_in_every_window(fault: str) -> None:
    seeds, messages = range(50, 50 + rounds(4, at_least=1)), int(smaller(50_000, 12_000))
    wrong = [seed for seed in seeds if not all(try_world(seed, fault, messages).values())]
    assert wrong == []


def evidence_at(world: World, data: Path, end: int, length: int) -> Evidence:
    """The signals of a window that ends in the past."""
    ledger = SqliteLedgerReader(data / "ledger.sqlite")
    query = RateQuery(end - length, end)
    maturity = learn_maturity(ledger, 1, {}, end=end, now=world.now)
    found = find_evidence(ledger, 1, query, maturity, world.now)
    ledger.close()
    return found


def test_an_outage_that_is_over_is_told_as_earlier_and_its_beginning_is_dated(tmp_path: Path) -> None:
    world = World(3, NOW, "provider", messages=int(smaller(40_000, 15_000)))
    world.fill(tmp_path)
    during = evidence_at(world, tmp_path, world.now - 10 * 60_000, DAY_MS)
    (drop, *_) = during.now.drops
    assert world.is_named_by(dict(drop.slice.values))
    assert abs(drop.since - world.outage[0]) <= 30 * 60_000
    before = evidence_at(world, tmp_path, world.outage[0], DAY_MS)
    assert (before.now.drops, before.now.silences, before.earlier) == ([], [], [])


def filtered(data: Path, filters: dict[str, set[str]]) -> Assessment:
    """The signals at the end of the last day, in the messages that a filter leaves."""
    ledger = SqliteLedgerReader(data / "ledger.sqlite")
    query = RateQuery(NOW - DAY_MS, NOW, filters=filters)
    maturity = learn_maturity(ledger, 1, filters, end=NOW, now=NOW)
    found = find_evidence(ledger, 1, query, maturity, NOW)
    ledger.close()
    return found.now


def write(data: Path, kinds: dict[str, Dimensions], silent: Callable[[str, int], bool]) -> None:
    """Write messages evenly over 3 days; where `silent` says so, none of them is verified or reported."""
    chance, entries = random.Random(5), []
    hourly = int(smaller(300, 100))
    for number in range(72 * hourly):
        name = [*kinds][number % len(kinds)]
        at = NOW - 72 * HOUR_MS + number * HOUR_MS // hourly
        entries.append(Entry(Requested(1, f"m{number}", at, kinds[name])))
        if not silent(name, NOW - at) and chance.random() < 0.7 and at + 20_000 < NOW:
            entries.append(
                Entry(Conversion(1, delivered=True, conversion_time=at + 20_000, message_id=f"m{number}"))
            )
    data.mkdir(exist_ok=True)
    record(data, [entries], NOW)


def test_a_filter_on_a_failing_route_shows_a_drop_and_not_a_silence(tmp_path: Path) -> None:
    kinds = {provider: Dimensions("DE", "", provider, "login") for provider in ("acme", "zeta", "omega")}
    write(tmp_path, kinds, lambda name, ago: name == "zeta" and ago < 4 * HOUR_MS)
    for filters in ({"provider": {"zeta"}}, {"provider": {"zeta"}, "country": {"DE"}}):
        found = filtered(tmp_path, filters)
        assert found.silences == []
        assert [drop.slice.values for drop in found.drops] == [()]
    assert [drop.slice.values for drop in filtered(tmp_path, {}).drops] == [(("provider", "zeta"),)]
    healthy = filtered(tmp_path, {"provider": {"acme"}})
    assert (healthy.silences, healthy.drops) == ([], [])


def test_a_filter_on_a_silent_application_still_shows_a_silence(tmp_path: Path) -> None:
    kinds = {
        f"{template} {provider}": Dimensions("DE", "", provider, template)
        for template in ("login", "signup")
        for provider in ("acme", "zeta")
    }
    write(tmp_path, kinds, lambda name, ago: name.startswith("signup") and ago < 4 * HOUR_MS)
    for filters in ({"template": {"signup"}}, {"template": {"signup"}, "provider": {"acme"}}):
        assert len(filtered(tmp_path, filters).silences) == 1
    write(tmp_path / "whole", kinds, lambda _, ago: ago < 4 * HOUR_MS)
    assert len(filtered(tmp_path / "whole", {"provider": {"acme"}}).silences) == 1


@pytest.mark.rounds
@pytest.mark.parametrize("seed", range(rounds(30, at_least=1)))
def test_no_part_of_a_failing_route_is_called_silent_whatever_the_filter(tmp_path: Path, seed: int) -> None:
    # A few codes of the route still arrive, so that by chance nothing is reported about one of its templates.
    chance = random.Random(seed)
    kinds = {
        f"{template} {country} {provider}": Dimensions(country, "", provider, template)
        for template in ("login", "signup", "payment")
        for country in ("DE", "ID")
        for provider in ("acme", "zeta")
    }
    write(
        tmp_path,
        kinds,
        lambda name, ago: name.endswith("ID zeta") and ago < 4 * HOUR_MS and chance.random() < 0.97,
    )
    assert filtered(tmp_path, {}).silences == []
    values = {"template": "signup", "country": "ID", "provider": "zeta"}
    for names in (("provider",), ("country", "provider"), ("template", "country"), tuple(values)):
        found = filtered(tmp_path, {name: {values[name]} for name in names})
        assert found.silences == [], names
        assert found.drops, names
