"""The dashboard over generated worlds: it always answers, and its verdict agrees with the world."""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from html import unescape
from itertools import cycle, product
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings, strategies as st

from benchmarks.worlds import World
from campaigns import CAMPAIGN, parameters, rounds
from constants import smaller
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.model import Conversion, Dimensions, Requested
from otpconv.rates.slices import Slice
from otpconv.service.opening import open_key_store
from otpconv.storage.contract import DAY_MS, HOUR_MS, Entry
from otpconv.storage.sqlite import SqliteJournal, SqliteLedgerWriter
from otpconv.web.pages.dashboard.view import WINDOWS

pytestmark = pytest.mark.long("fills ledgers with hundreds of thousands of messages")

#: States that are good news, or none: nothing is called broken.
NOTHING_BROKEN = {"fine", "fell", "unclear", "uncompared", "recovered"}
FAULTS = ["none", "route", "provider", "country", "silence"]
#: What a group may be called.
NAMES = [
    "",
    "<b>&amp;",
    "a&b=c",
    "../..",
    "%2e%00",
    "'\"`{{ 7 * 7 }}",
    "Ω≈ç √",
    "\u202eabc",
    "x" * 128,
    "others",
    "😀",
]

Visit = Callable[[str], httpx.Client]
#: Returns the dashboard of a world in a window.
ReadPage = Callable[[str, str], str]


def entries(
    account: int,
    kinds: list[Dimensions],
    count: int,
    *,
    end: int,
    rate: float = 0.7,
    length: int = 8 * DAY_MS,
) -> list[Entry]:
    """Messages evenly over some time (ms), a share of them verified after 20 s."""
    chance = random.Random(count)
    made: list[Entry] = []
    for number in range(count):
        at = end - (number + 1) * length // count
        made.append(Entry(Requested(account, f"m{number}", at, kinds[number % len(kinds)])))
        if chance.random() < rate and at + 20_000 < end:
            made.append(
                Entry(
                    Conversion(account, delivered=True, conversion_time=at + 20_000, message_id=f"m{number}")
                )
            )
    return made


def small_worlds(now: int) -> dict[str, Callable[[int], list[Entry]]]:
    """Worlds at the edges, by name: what each holds, given an account."""
    routes = [
        Dimensions(f"{a}{b}", "", f"p{n}")
        for n in range(5)
        for a in "ABCDEFGHIJKLMNOPQRST"
        for b in "ABCDEFGHIJKLMNOPQRST"
    ]
    strange = [Dimensions("DE", name, name, name[::-1], name, name or "sms", name) for name in NAMES]
    acme = [Dimensions("DE", "", "acme")]
    return {
        "no messages": lambda _: [],
        "one message": lambda account: entries(account, acme, 1, end=now - HOUR_MS, length=HOUR_MS),
        "everything pending": lambda account: entries(
            account, acme, 300, end=now - 500, rate=0.0, length=30_000
        ),
        "an hour of past": lambda account: [
            Entry(Requested(account, f"h{n}", now - n * 30_000 - 1_000, acme[0])) for n in range(120)
        ],
        "2,000 routes": lambda account: entries(account, routes, int(smaller(40_000, 10_000)), end=now),
        "names of any characters": lambda account: entries(account, strange, 6_000, end=now),
        "an outage of everything, few a route": lambda account: [
            *entries(account, routes[:60], 3_000, end=now - 3 * HOUR_MS, rate=0.8),
            *[
                Entry(Requested(account, f"late{n}", now - 3 * HOUR_MS + n * 60_000, routes[n % 60]))
                for n in range(179)
            ],
            *[
                Entry(Conversion(account, delivered=True, conversion_time=now, message_id=f"late{n}"))
                for n in range(0, 179, 8)
            ],
        ],
    }


class Worlds:
    """A server with one account for each small or each large world.

    Attributes:
        server: the server, which runs.
        keys: who may read, by the name of the world.
        large: the large worlds by name.
    """

    def __init__(self, data: Path, *, large: bool) -> None:
        self.server = LocalServer(data)
        self.keys: dict[str, AccessKey] = {}
        self.large: dict[str, World] = {}
        self._now = wall_clock()
        data.mkdir(mode=0o700)
        with closing(open_key_store(load(data=data))) as store:
            for number, name in enumerate(LARGE if large else SMALL):
                self.keys[name] = store.create(f"account-{number}", f"user-{number}", "OtpconvReadOnly")
        if large:
            self._fill_large(data)
        else:
            for name, make in small_worlds(self._now).items():
                self._write(data, make(self.keys[name].account))
        self.server.start()

    def _fill_large(self, data: Path) -> None:
        for seed, name in enumerate(LARGE):
            fault = name.partition(" ")[0]
            world = World(seed, self._now, fault, messages=20_000, account=self.keys[name].account)
            world.fill(data)
            self.large[name] = world

    def _write(self, data: Path, made: list[Entry]) -> None:
        journal = SqliteJournal(data / "journal.sqlite")
        if made:
            journal.append(made, self._now)
        writer = SqliteLedgerWriter(data / "ledger.sqlite", data / "journal.sqlite")
        while writer.apply(20_000) < journal.head():
            pass
        writer.close()
        journal.close()


@pytest.fixture(scope="module")
def open_worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Worlds]]:
    """Gives the worlds of the size of a named one."""
    made: dict[bool, Worlds] = {}

    def worlds(name: str) -> Worlds:
        large = name in LARGE
        if large not in made:
            made[large] = Worlds(tmp_path_factory.mktemp("worlds") / "data", large=large)
        return made[large]

    yield worlds
    for each in made.values():
        each.server.stop()


@pytest.fixture(scope="module")
def visit(open_worlds: Callable[[str], Worlds]) -> Iterator[Visit]:
    """Signs in to the account of a world."""
    browsers: dict[str, httpx.Client] = {}

    def signed_in(name: str) -> httpx.Client:
        if name not in browsers:
            worlds = open_worlds(name)
            key = worlds.keys[name]
            browser = httpx.Client(
                base_url=worlds.server.url,
                headers={"accept": "text/html", "origin": worlds.server.url},
                timeout=30,
            )
            form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
            assert browser.post("/sign-in", data=form).status_code == 303
            browsers[name] = browser
        return browsers[name]

    yield signed_in
    for browser in browsers.values():
        browser.close()


@pytest.fixture(scope="module")
def read_page(visit: Visit) -> ReadPage:
    """Reads each page once: several tests look at the same pages."""

    @cache
    def read(name: str, window: str) -> str:
        page = visit(name).get("/dashboard", params={"window": window})
        assert page.status_code == 200
        return page.text

    return read


def states(page: str) -> set[str]:
    """The ids of the notices on a page."""
    return set(re.findall(r'<div class="notice[^"]*" id="([a-z]+)"', page))


def first_named(page: str) -> str | None:
    """The first slice that the verdict names."""
    found = re.search(r'class="first-finding">(?:<strong>[^<]*)?<a href="[^"]*">([^<]*)</a>', page)
    return unescape(found[1]) if found else None


SMALL = list(small_worlds(0))
LARGE = [f"{fault} {seed}" for seed, fault in enumerate(FAULTS * rounds(2, at_least=1))]


#: Each small world in two windows, by turns.
IN_SHORT = list(zip([name for name in SMALL for _ in range(2)], cycle(WINDOWS), strict=False))


@pytest.mark.parametrize(
    ("name", "window"),
    parameters(
        list(product(SMALL + LARGE, WINDOWS)),
        IN_SHORT,
        "large worlds, and each small world in the other windows",
    ),
)
def test_every_world_is_answered_in_every_window(read_page: ReadPage, name: str, window: str) -> None:
    page = read_page(name, window)
    assert len(states(page) - {"earlier"}) == 1 or {"broken", "silence"} <= states(page)


@pytest.mark.campaign(
    "the verdict over worlds is in tests/rates/test_signals.py, and pages that show it are here"
)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", LARGE)
def test_the_verdict_agrees_with_the_world(
    open_worlds: Callable[[str], Worlds], read_page: ReadPage, name: str, window: str
) -> None:
    world = open_worlds(name).large[name]
    page = read_page(name, window)
    if world.fault is None:
        assert states(page) - {"earlier"} <= NOTHING_BROKEN
        return
    assert first_named(page) is not None
    assert {"silence"} if world.is_silence else {"broken"} <= states(page)


@pytest.mark.campaign(
    "the verdict over worlds is in tests/rates/test_signals.py, and the page in test_page.py"
)
@pytest.mark.parametrize("window", WINDOWS)
def test_the_fault_is_named_first_in_nine_worlds_of_ten(
    open_worlds: Callable[[str], Worlds], read_page: ReadPage, window: str
) -> None:
    worlds = open_worlds(LARGE[0]).large
    broken = [name for name in LARGE if worlds[name].fault is not None]
    named = {name: first_named(read_page(name, window)) for name in broken}
    wrong = [name for name in broken if named[name] not in names_of(worlds[name])]
    assert len(wrong) <= max(1, len(broken) // 10), wrong


def names_of(world: World) -> set[str]:
    """The names of a fault: the same messages may have several, e.g. one template of one sender."""
    return {
        Slice(tuple((each, getattr(kind, each)) for each in dimensions)).label
        for kind in world.kinds
        for dimensions in (
            ("country",),
            ("provider",),
            ("country", "provider"),
            ("template",),
            ("sender",),
            ("access_key",),
        )
        if world.is_named_by({each: getattr(kind, each) for each in dimensions})
    }


def test_a_total_outage_of_many_small_routes_is_never_green(read_page: ReadPage) -> None:
    for window in WINDOWS:
        assert "fine" not in states(read_page("an outage of everything, few a route", window))
    page = read_page("an outage of everything, few a route", "6h")
    assert "broken" in states(page)
    assert "all traffic" in page


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("no messages", "empty"),
        ("one message", "uncompared"),
        ("everything pending", "uncompared"),
        ("an hour of past", "uncompared"),
    ],
)
def test_where_nothing_can_be_said_nothing_is_called_fine(visit: Visit, name: str, state: str) -> None:
    assert states(visit(name).get("/dashboard").text) == {state}


@given(
    name=st.sampled_from(SMALL + LARGE if CAMPAIGN else SMALL),
    window=st.sampled_from([*WINDOWS, "fixed"]),
    by=st.lists(
        st.sampled_from(["country", "provider", "template", "sender", "access_key"]), unique=True, max_size=3
    ),
    minimum=st.sampled_from(["", "0", "1", "20", "999999"]),
    level=st.sampled_from(["", "first_attempt", "session"]),
    compare=st.sampled_from(["", "day", "week", "previous"]),
    filters=st.dictionaries(
        st.sampled_from(["country", "provider", "template", "sender", "channel", "access_key"]),
        st.sampled_from([*NAMES, "DE", "acme", "login", "no such"]),
        max_size=2,
    ),
    back_ms=st.integers(0, 12 * DAY_MS),
    length_ms=st.integers(1, 40 * DAY_MS),
)
@settings(max_examples=rounds(60), deadline=None)
def test_every_view_is_answered(  # noqa: PLR0917
    visit: Visit,
    name: str,
    window: str,
    by: list[str],
    minimum: str,
    level: str,
    compare: str,
    filters: dict[str, str],
    back_ms: int,
    length_ms: int,
) -> None:
    given_by_form = {
        "by": ",".join(by),
        "min_requested": minimum,
        "level": level,
        "compare": compare,
        **filters,
    }
    if window == "fixed":
        end = wall_clock() - back_ms
        given_by_form |= {"start": str(end - length_ms), "end": str(end)}
    else:
        given_by_form["window"] = window
    browser = visit(name)
    page = browser.get("/dashboard", params=given_by_form)
    assert page.status_code == 200
    for link in set(re.findall(r'href="(/dashboard\?[^"]*)"', page.text)[:3]):
        assert browser.get(unescape(link)).status_code == 200
