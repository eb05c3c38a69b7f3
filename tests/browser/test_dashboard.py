"""The dashboard in a browser, on many messages in which one provider broke in one country."""

import csv
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from browser.broken_route import BROKEN, HOUR_MS, Traffic
from browser.photographs import DASHBOARD, inspect, looks
from campaigns import parameters
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock

pytestmark = pytest.mark.long("fills a ledger with tens of thousands of messages")

Open = Callable[..., Page]
Broken = tuple[LocalServer, Traffic]

ROUTE = " · ".join(BROKEN)
#: What the verdict calls it.
NAMED = f"{BROKEN[1]} in {BROKEN[0]}"
FILTERS = [{}, {"country": "ID"}, {"country": "ID", "provider": "birdcall"}]
REFRESH = "document.dispatchEvent(new Event('otpconv:refresh'))"


def fixed(traffic: Traffic, **more: str) -> str:
    """The dashboard of the 24 whole minutes' hours before the traffic ended, against the same yesterday."""
    end = traffic.now // 60_000 * 60_000
    given = {"start": str(end - 24 * HOUR_MS), "end": str(end), "compare": "day"} | more
    return f"/dashboard?{httpx.QueryParams(given)}"


def rates(server: LocalServer, path: str, **more: str) -> list[dict[str, object]]:
    """The rows of the API for the window of a dashboard's address."""
    given = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()} | more
    auth = (server.access_key_id, server.access_key_secret)
    rows: list[dict[str, object]] = httpx.get(f"{server.url}/v1/rates", params=given, auth=auth).json()[
        "rows"
    ]
    return rows


def row(page: Page, place: int = 0) -> list[str]:
    """The texts of a row of the worst changes."""
    cells = page.locator("#worst table").first.locator("tbody tr").nth(place).locator("th a, td")
    return [text.replace("\xa0", " ") for text in cells.all_inner_texts()]


# Which route stopped converting.


def test_the_route_that_broke_is_told_first_and_a_click_leads_into_it(
    open_page: Open, broken: Broken
) -> None:
    page = open_page(at=broken[0])
    page.goto("/dashboard")
    expect(page.locator("#broken")).to_contain_text(f"{NAMED} converts")
    assert NAMED in page.title()
    assert row(page)[0] == ROUTE
    expect(page.locator(".heat .drop-1, .heat .drop-2").first).to_contain_text("▼")
    page.locator("#worst").get_by_role("link", name=ROUTE).click()
    expect(page.locator(".chips")).to_contain_text("country: ID")
    expect(page.locator(".chips")).to_contain_text("provider: birdcall")
    assert parse_qs(urlsplit(page.url).query) == {"country": ["ID"], "provider": ["birdcall"]}
    expect(page.locator("#broken")).to_contain_text(f"{NAMED} converts")
    page.get_by_role("link", name="Remove the filter provider").click()
    expect(page.locator(".chips")).not_to_contain_text("birdcall")
    assert row(page)[0].startswith("birdcall")


@pytest.mark.parametrize("filters", parameters(FILTERS, FILTERS[2:], "fewer filters"))
def test_the_numbers_are_those_of_the_api_and_true(
    open_page: Open, broken: Broken, filters: dict[str, str]
) -> None:
    server, traffic = broken
    path = fixed(traffic, **filters)
    page = open_page(at=server)
    page.goto(path)
    (total,) = rates(server, path)
    assert page.locator("#requested").inner_text() == f"{total['requested']:,}"
    assert page.locator("#verified").inner_text() == f"{total['verified']:,}"
    assert page.locator("#rate").inner_text().replace("\xa0", " ") == f"{total['rate']:.1%}".replace(
        "%", " %"
    )
    start, end = (int(parse_qs(urlsplit(path).query)[name][0]) for name in ("start", "end"))
    wanted = set(filters.values())
    of = [traffic.truth(route, start, end) for route in traffic.requested if wanted <= set(route)]
    assert (total["requested"], total["verified"]) == (sum(n for n, _ in of), sum(k for _, k in of))


def test_every_route_of_the_csv_is_true_and_in_the_order_of_the_page(open_page: Open, broken: Broken) -> None:
    server, traffic = broken
    path = fixed(traffic)
    page = open_page(at=server)
    page.goto(path)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of all rows").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    start, end = (int(parse_qs(urlsplit(path).query)[name][0]) for name in ("start", "end"))
    told = {(each["country"], each["provider"]): each for each in rows}
    assert {route: (int(each["requested"]), int(each["verified"])) for route, each in told.items()} == {
        route: traffic.truth(route, start, end) for route in traffic.requested
    }
    assert {
        route: (int(each["before_requested"]), int(each["before_verified"])) for route, each in told.items()
    } == {
        route: traffic.truth(route, start - 24 * HOUR_MS, end - 24 * HOUR_MS) for route in traffic.requested
    }
    page.locator("#more summary").click()
    shown = page.locator("#worst tbody th a").all_inner_texts()
    assert shown == [f"{each['country']} · {each['provider']}" for each in rows]


def test_a_link_shows_the_same_view_to_somebody_else(open_page: Open, broken: Broken) -> None:
    server, traffic = broken
    page = open_page(at=server)
    # Only mature messages, so that nothing changes while one looks.
    times = {"start": str(traffic.now - 9 * HOUR_MS), "end": str(traffic.now - 3 * HOUR_MS)}
    page.goto(fixed(traffic, country="ID", **times))
    page.get_by_role("link", name="Permalink to this range").click()
    other = open_page(at=server)
    other.goto(page.url)
    for part in ("#headline", "#worst", "#parts", "#verdict"):
        assert other.locator(part).inner_text() == page.locator(part).inner_text()


def test_times_are_chosen_by_links_and_by_a_form(open_page: Open, broken: Broken) -> None:
    page = open_page(at=broken[0])
    page.goto("/dashboard?provider=birdcall")
    page.get_by_role("link", name="the last 6 hours").click()
    assert parse_qs(urlsplit(page.url).query) == {"window": ["6h"], "provider": ["birdcall"]}
    page.get_by_text("Custom range and options").click()
    page.get_by_role("combobox", name="From UTC").fill("2020-01-01")
    page.get_by_role("combobox", name="To UTC").fill("2020-01-02")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#empty")).to_contain_text("No messages were requested")
    assert "provider=birdcall" in page.url
    page.get_by_role("link", name="all messages").first.click()
    assert "provider" not in page.url


def cpu_of(pid: int) -> float:
    """The CPU time of a process and of those that it has started, s."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") + sum(map(cpu_of, map(int, children)))


def test_it_costs_the_server_less_than_a_second_chart_and_all(open_page: Open, broken: Broken) -> None:
    # How long it takes is measured by `python -m benchmarks dashboard`: here, other tests run beside it.
    page = open_page(at=broken[0])
    page.goto("/dashboard")  # the first page starts the process that draws
    before = cpu_of(broken[0].pid)
    windows = ("1h", "6h", "24h", "7d", "30d")
    for window in windows:
        page.goto(f"/dashboard?window={window}")
    assert cpu_of(broken[0].pid) - before < len(windows)


# Keeping up.


def test_it_keeps_up_without_a_jump(
    open_page: Open,
    key: AccessKey,
    own: httpx.Client,
    eventually: Callable[[Callable[[], object], object], None],
) -> None:
    send(own, range(30))
    eventually(lambda: own.get("/v1/rates").json()["rows"][0]["requested"], 30)
    page = open_page(key=key, width=390)
    page.goto("/dashboard?by=provider&min_requested=1")
    expect(page.locator("#requested")).to_have_text("30")
    link = page.locator("#worst").get_by_role("link", name="acme")
    link.focus()
    page.locator("#numbers summary").evaluate("each => each.parentElement.open = true")
    page.evaluate("scrollTo(0, 333)")
    send(own, range(30, 50))
    eventually(lambda: own.get("/v1/rates").json()["rows"][0]["requested"], 50)
    page.evaluate(REFRESH)
    expect(page.locator("#requested")).to_have_text("50")
    expect(link).to_be_focused()
    assert page.evaluate("scrollY") == 333
    expect(page.locator("#numbers table")).to_be_visible()


def test_it_says_when_it_can_no_longer_keep_up(open_page: Open, key: AccessKey, own: httpx.Client) -> None:
    send(own, range(30))
    page = open_page(key=key, calls_fail=True)
    page.goto("/dashboard")
    page.context.set_offline(True)
    page.evaluate(REFRESH)
    expect(page.get_by_role("status")).to_contain_text("Not up to date")
    page.context.set_offline(False)
    page.evaluate(REFRESH)
    expect(page.get_by_role("status")).to_be_empty()
    page.context.clear_cookies()
    page.evaluate(REFRESH)
    expect(page.get_by_role("link", name="sign in again")).to_be_visible()


def test_without_scripts_everything_is_there(open_page: Open, broken: Broken) -> None:
    page = open_page(at=broken[0], scripts=False)
    page.goto("/dashboard")
    assert row(page)[0] == ROUTE
    page.locator("#worst").get_by_role("link", name=ROUTE).click()
    assert page.locator("#chart img").is_visible()
    assert page.locator("#live button").count() == 0


def send(own: httpx.Client, numbers: range) -> None:
    """Tell of messages."""
    ids = [f"m{number}" for number in numbers]
    messages = [{"message_id": each, "country": "DE", "provider": "acme"} for each in ids]
    assert own.post("/v1/messages", json={"messages": messages}).json()["recorded"] == len(ids)


# The other notices.


def test_a_reporter_that_stopped_does_not_look_like_a_route_that_fails(
    open_page: Open, key: AccessKey, own: httpx.Client
) -> None:
    now = wall_clock()
    for hours_ago in range(8, 0, -1):
        at = now - hours_ago * HOUR_MS
        ids = [f"h{hours_ago}-{number}" for number in range(40)]
        messages = [{"message_id": each, "requested_at": at, "provider": "acme"} for each in ids]
        own.post("/v1/messages", json={"messages": messages}).raise_for_status()
        if hours_ago > 3:
            told = [
                {"message_id": each, "delivered": True, "conversion_time": at + 9000} for each in ids[:30]
            ]
            own.post("/v1/conversions", json={"conversions": told}).raise_for_status()
    page = open_page(key=key)
    page.goto("/dashboard")
    expect(page.locator("#silence")).to_contain_text("No conversions reported since")
    expect(page.locator("#silence")).to_contain_text("120 messages")
    expect(page.locator("#silence")).to_contain_text("otpconv spool status")


def test_one_message_is_looked_up_with_its_history(open_page: Open, broken: Broken) -> None:
    page = open_page(at=broken[0], calls_fail=True)
    page.goto("/dashboard")
    page.get_by_label("Message id").fill("1008030300000003")
    page.get_by_role("button", name="Look up").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1008030300000003")
    expect(page.locator(".history li").first).to_contain_text("Requested")
    assert len(page.locator(".history li").all()) in {1, 3}
    page.get_by_label("Another message id").fill("nobody-knows")
    page.get_by_role("button", name="Look up").click()
    expect(page.get_by_role("alert")).to_contain_text("No reports about message nobody-knows")


# How it looks.


@pytest.mark.rounds
def test_it_can_be_read_by_all_in_light_and_dark_wide_and_narrow(
    open_page: Open, broken: Broken, eventually: Callable[[Callable[[], list[str]], list[str]], None]
) -> None:
    page = open_page(at=broken[0], calls_fail=True)
    chart = page.locator("#chart img")
    for place, (name, path) in enumerate(DASHBOARD.items()):
        page.goto(path)
        for look in looks(page, place):
            if chart.count():
                drawn = ["dark"] * ("dark" in look) + ["narrow"] * ("390" in look)
                eventually(
                    lambda: re.findall(r"dark|narrow", chart.evaluate("each => each.currentSrc")), drawn
                )
                assert chart.evaluate("each => each.decode().then(() => each.naturalWidth)") > 0
            inspect(page, f"{name}-{look}")
