"""The chart over time in a browser: its values, the keyboard, the zoom, annotations, and no script."""

import random
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from browser.broken_route import HOUR_MS, Traffic
from browser.photographs import inspect
from campaigns import parameters, rounds
from otpconv.cli.local_server import LocalServer
from otpconv.times import parse_time
from otpconv.web.pages.figures import format_count, format_moment, format_percent

pytestmark = pytest.mark.long("fills a ledger with tens of thousands of messages")

Open = Callable[..., Page]
Broken = tuple[LocalServer, Traffic]


def fixed(traffic: Traffic, hours: int, **more: str) -> str:
    """A dashboard of whole hours before the traffic ended."""
    end = traffic.now // HOUR_MS * HOUR_MS
    times = {"start": str(end - hours * HOUR_MS), "end": str(end), "compare": "day"}
    return f"/dashboard?{httpx.QueryParams(times | more)}"


def history(server: LocalServer, path: str, interval: str) -> list[dict[str, float]]:
    """What the API says of a dashboard's window over time."""
    given = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    auth = (server.access_key_id, server.access_key_secret)
    params = given | {"interval": interval}
    rows: list[dict[str, float]] = httpx.get(f"{server.url}/v1/rates", params=params, auth=auth).json()[
        "rows"
    ]
    return rows


def expected(row: dict[str, float]) -> list[str]:
    """What the chart shows of a row of the API."""
    return [
        f"{format_moment(int(row['start']))} UTC",
        f"Requested: {format_count(int(row['requested']))}",
        f"Verified: {format_count(int(row['verified']))}",
        f"Rate: {format_percent(row['rate'])}",
        f"95 % interval: {format_percent(row['rate_low'])} – {format_percent(row['rate_high'])}",
        f"Before: {format_percent(row['before_rate'])}",
    ]


def shown(page: Page) -> list[str]:
    """The lines beside the pointer."""
    return page.locator(".chart-readout > *").all_inner_texts()


def spaced(texts: list[str]) -> list[str]:
    return [text.replace("\xa0", " ") for text in texts]


@pytest.mark.rounds
@pytest.mark.parametrize(
    ("hours", "interval", "width"),
    parameters(
        [(*each, width) for width in (1280, 390) for each in ((2, "5m"), (7, "15m"), (24, "1h"))],
        [(7, "15m", 390)],
        "other intervals, and another screen",
    ),
)
def test_the_values_under_the_pointer_are_those_of_the_api(
    open_page: Open, broken: Broken, hours: int, interval: str, width: int
) -> None:
    server, traffic = broken
    chance = random.Random(hours)
    page = open_page(at=server, width=width)
    for filters in ({}, {"country": "ID"}):
        path = fixed(traffic, hours, **filters)
        rows = history(server, path, interval)
        page.goto(path)
        area = page.locator(".chart-area")
        area.scroll_into_view_if_needed()
        box = area.bounding_box()
        assert box is not None
        for _ in range(rounds(8, at_least=4)):
            place = chance.randrange(len(rows))
            x = box["x"] + box["width"] * (place + chance.uniform(0.2, 0.8)) / len(rows)
            page.mouse.move(x, box["y"] + box["height"] * chance.uniform(0.1, 0.9))
            assert spaced(shown(page)) == spaced(expected(rows[place]))
        page.mouse.move(5, 5)
        expect(page.locator(".chart-readout")).to_be_hidden()


def test_the_area_lies_over_the_plots_of_the_picture(open_page: Open, broken: Broken) -> None:
    page = open_page(at=broken[0])
    page.goto(fixed(broken[1], 24))
    source = page.locator("#chart img").evaluate("each => each.currentSrc")
    picture = page.request.get(source).text()
    left, top, width, height, whole = map(
        float, (page.locator("#chart picture").get_attribute("data-wide") or "").split()
    )
    # Where Vega has put the plots: at the origin of this group, in the view box.
    view = [float(each) for each in picture.partition('viewBox="')[2].partition('"')[0].split()]
    origin = picture.partition('transform="translate(')[2].partition(")")[0].split(",")
    assert [float(origin[0]) - view[0], float(origin[1]) - view[1]] == [left, top]
    assert view[2] == whole
    assert f"M0,0h{width:g}v" in picture
    assert top + height < view[3]


def test_arrow_keys_read_the_values_and_escape_ends_it(open_page: Open, broken: Broken) -> None:
    server, traffic = broken
    path = fixed(traffic, 24)
    rows = history(server, path, "1h")
    page = open_page(at=server)
    page.goto(path)
    area, spoken = page.locator(".chart-area"), page.locator("#chart-spoken")
    area.focus()
    assert spoken.get_attribute("aria-live") == "polite"
    for key, place in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 23)):
        page.keyboard.press(key)
        assert spaced([spoken.inner_text()]) == spaced([", ".join(expected(rows[place]))])
    page.keyboard.press("Escape")
    expect(page.locator(".chart-readout")).to_be_hidden()


def test_dragging_zooms_and_escape_cancels(open_page: Open, broken: Broken) -> None:
    server, traffic = broken
    path = fixed(traffic, 24, provider="birdcall")
    rows = history(server, path, "1h")
    page = open_page(at=server)
    page.goto(path)
    before = page.url
    area = page.locator(".chart-area")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None

    def at(step: float) -> tuple[float, float]:
        return box["x"] + box["width"] * step / 24, box["y"] + 50

    page.mouse.move(*at(14.5))
    page.mouse.down()
    page.mouse.move(*at(9.5), steps=5)
    expect(page.locator(".chart-range")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".chart-range")).to_be_hidden()
    page.mouse.up()
    assert page.url == before
    page.mouse.move(*at(14.5))
    page.mouse.down()
    page.mouse.move(*at(9.5), steps=5)
    page.mouse.up()
    page.wait_for_url(lambda url: url != before)
    query = parse_qs(urlsplit(page.url).query)
    assert parse_time(query["start"][0], now=0) == rows[9]["start"]
    assert parse_time(query["end"][0], now=0) == rows[15]["start"]
    assert (query["provider"], query["compare"]) == (["birdcall"], ["day"])
    requested = sum(int(row["requested"]) for row in rows[9:15])
    expect(page.locator("#requested")).to_have_text(format_count(requested))


def test_the_keyboard_zooms_too(open_page: Open, broken: Broken) -> None:
    server, traffic = broken
    path = fixed(traffic, 24)
    rows = history(server, path, "1h")
    page = open_page(at=server)
    page.goto(path)
    before = page.url
    page.locator(".chart-area").focus()
    for key in ("Home", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url(lambda url: url != before)
    query = parse_qs(urlsplit(page.url).query)
    assert parse_time(query["start"][0], now=0) == rows[1]["start"]
    assert parse_time(query["end"][0], now=0) == rows[4]["start"]


def test_annotations_are_read_and_listed_also_without_scripts(open_page: Open, broken: Broken) -> None:
    server, traffic = broken
    auth = (server.access_key_id, server.access_key_secret)
    path = fixed(traffic, 24)
    at = traffic.now // HOUR_MS * HOUR_MS - 4 * HOUR_MS + 60_000
    text = "Release <b>2.4</b>"
    with httpx.Client(base_url=server.url, auth=auth) as api:
        made = api.post("/v1/annotations", json={"text": text, "at": at}).json()
        page = open_page(at=server)
        page.goto(path)
        expect(page.locator(".notes")).to_contain_text(text)
        page.locator(".chart-area").focus()
        for key in ("End", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
            page.keyboard.press(key)
        expect(page.locator("#chart-spoken")).to_contain_text(text)
        expect(page.locator(".chart-readout .note")).to_contain_text(text)
        inspect(page, "dashboard-annotation")
        plain = open_page(at=server, scripts=False)
        plain.goto(path)
        expect(plain.locator(".notes")).to_contain_text(text)
        plain.locator("#numbers summary").click()
        expect(plain.locator("#numbers .note")).to_contain_text(text)
        assert plain.locator(".chart-area").count() == 0
        api.delete(f"/v1/annotations/{made['id']}")


def test_groups_have_small_charts_that_lead_into_them(open_page: Open, broken: Broken) -> None:
    server, traffic = broken
    page = open_page(at=server)
    page.goto(fixed(traffic, 24))
    charts = page.locator("#multiples li")
    assert charts.count() == 12
    assert page.locator("#multiples svg path").count() >= 12
    assert page.locator("#worst .spark").count() >= 8
    charts.nth(0).get_by_role("link").click()
    expect(page.locator(".chips")).to_contain_text("country: ID")


def test_pages_allow_no_inline_script_and_scripts_stay_small(open_page: Open, broken: Broken) -> None:
    page = open_page(at=broken[0])
    response = page.goto("/dashboard")
    assert response is not None
    policy = response.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    scripts = page.locator("script")
    assert page.locator("script:not([src]), [onclick]").count() == 0
    assert " style=" not in response.text()
    sources = [each.get_attribute("src") or "" for each in scripts.all()]
    assert sum(len(page.request.get(source).body()) for source in sources) < 100_000
