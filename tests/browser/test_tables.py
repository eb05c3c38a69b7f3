"""The dashboard's table, saved views and times in a browser: by keyboard, without scripts, and on a phone."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from browser.broken_route import Traffic
from browser.photographs import inspect, looks
from browser.test_dashboard import REFRESH
from otpconv.cli.local_server import LocalServer

pytestmark = pytest.mark.long("uses a ledger with tens of thousands of messages")

Open = Callable[..., Page]
Broken = tuple[LocalServer, Traffic]


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def requested(page: Page) -> list[int]:
    """The column of requested messages in the rows that are shown at once."""
    cells = page.locator("#worst table").first.locator("tbody tr td:nth-child(6)")
    return [int(text.replace(",", "")) for text in cells.all_inner_texts()]


@pytest.mark.campaign("test_all_tasks_work_without_scripts_and_by_keyboard sorts by keyboard too")
@pytest.mark.parametrize("scripts", [False, True])
def test_the_keyboard_sorts_with_and_without_scripts(open_page: Open, broken: Broken, scripts: bool) -> None:  # noqa: FBT001
    page = open_page(at=broken[0], scripts=scripts)
    page.goto("/dashboard")
    assert page.locator("#worst-title").inner_text() == "Worst changes"
    page.get_by_role("link", name="Requested", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=-requested**")
    header = page.locator("#worst").get_by_role("columnheader", name="Requested")
    expect(header).to_have_attribute("aria-sort", "descending")
    largest = requested(page)
    assert largest == sorted(largest, reverse=True)
    # The header keeps the focus, so that Enter sorts the other way.
    expect(page.locator("#sort-requested")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=requested**")
    expect(header).to_have_attribute("aria-sort", "ascending")
    assert requested(page) == sorted(requested(page))
    assert page.locator("th[aria-sort]").count() == 1
    page.get_by_role("link", name="surest drop first").click()
    assert page.locator("#worst-title").inner_text() == "Worst changes"


def test_all_tasks_work_without_scripts_and_by_keyboard(open_page: Open, broken: Broken) -> None:
    page = open_page(at=broken[0], scripts=False)
    page.goto("/dashboard?window=6h")
    page.get_by_role("searchbox").fill("indonesia bird")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=indonesia**")
    assert page.locator("#worst tbody th a").all_inner_texts() == ["ID · birdcall"]
    expect(page.locator("#matches")).to_contain_text("1 group with “indonesia bird”")
    page.get_by_role("link", name="Show all groups").click()
    page.locator("#columns > summary").press("Enter")
    page.get_by_role("checkbox", name="Verified", exact=True).press("Space")
    page.get_by_role("checkbox", name="Over time", exact=True).press("Space")
    page.locator("#columns").get_by_role("button", name="Show").press("Enter")
    page.wait_for_url("**columns=**")
    assert "verified" in query(page)["columns"][0]
    assert "trend" not in query(page)["columns"][0]
    page.locator("#zone > summary").press("Enter")
    page.get_by_role("combobox", name="Time zone").fill("Asia/Kolkata")
    page.keyboard.press("Enter")
    page.wait_for_url("**tz=Asia**")
    expect(page.locator("#as-of")).to_contain_text("Asia/Kolkata")
    page.goto("/dashboard?window=6h")
    # Both are remembered.
    expect(page.locator("#as-of")).to_contain_text("Asia/Kolkata")
    headers = page.locator("#worst").get_by_role("columnheader")
    expect(headers.filter(has_text="Verified")).to_have_count(1)
    expect(headers.filter(has_text="Requested")).to_have_count(1)
    expect(headers.filter(has_text="Over time")).to_have_count(0)


def test_a_time_is_picked_or_written_in_words(open_page: Open, broken: Broken) -> None:
    page = open_page(at=broken[0])
    page.goto("/dashboard?tz=Asia/Kolkata")
    page.locator("#custom > summary").click()
    page.locator("#start_at").fill("2026-01-31T12:30")
    expect(page.locator("#start")).to_have_value("2026-01-31T12:30")
    page.locator("#start").fill("yesterday")
    expect(page.locator("#start_at")).to_have_value("")
    page.locator("#end").fill("today")
    page.locator("#custom").get_by_role("button", name="Show").click()
    page.wait_for_url("**start=yesterday**")
    expect(page.locator("#context")).to_contain_text("00:00 to")
    page.locator("#custom > summary").click()
    assert "T00:00+05:30" in page.locator("#start").input_value()
    silent = open_page(at=broken[0], scripts=False)
    silent.goto("/dashboard?tz=Asia/Kolkata")
    silent.locator("#custom > summary").click()
    silent.locator("#start_at").fill("2026-01-31T12:30")
    silent.locator("#custom").get_by_role("button", name="Show").click()
    expect(silent.locator("#context")).to_contain_text("31 Jan 12:30 to")


def test_a_refresh_keeps_every_choice(open_page: Open, broken: Broken) -> None:
    page = open_page(at=broken[0])
    choices = (
        "sort=-requested&q=a&columns=requested,verified&tz=Asia/Kolkata&by=provider,country&min_requested=1"
    )
    page.goto(f"/dashboard?{choices}")
    page.locator("#more > summary").focus()
    page.locator("#more > summary").click()
    before = page.locator("#worst").inner_text()
    page.evaluate("document.getElementById('as-of').textContent = 'old'")
    page.evaluate("document.querySelector('#worst table').remove()")
    page.locator("#search").fill("half written")
    page.evaluate(REFRESH)
    expect(page.locator("#as-of")).to_contain_text("Asia/Kolkata")
    expect(page.locator("#worst table").first).to_be_visible()
    headers = page.locator("#worst thead").first.inner_text()
    assert headers.split("\t")[0].startswith("Provider · country")
    assert page.locator("#worst").inner_text().splitlines()[0] == before.splitlines()[0]
    expect(page.locator("#search")).to_have_value("half written")
    expect(page.locator("#more")).to_have_attribute("open", "")


def test_a_view_is_saved_opened_renamed_and_deleted(open_page: Open, broken: Broken) -> None:
    page = open_page(at=broken[0], scripts=False)
    page.goto("/dashboard?country=ID&sort=rate")
    page.locator("#views > summary").click()
    page.get_by_label("Save this view as").fill("Indonesia <b>")
    page.keyboard.press("Enter")
    page.wait_for_url("**#views")
    page.goto("/dashboard")
    page.locator("#views > summary").click()
    page.get_by_role("link", name="Indonesia <b>").click()
    assert (query(page)["country"], query(page)["sort"]) == (["ID"], ["rate"])
    page.goto("/dashboard/views")
    page.get_by_text("Rename or delete Indonesia <b>").click()
    page.get_by_label("New name").fill("Jakarta")
    page.get_by_role("button", name="Rename").click()
    # The check of accessibility is a script itself.
    checked = open_page(at=broken[0])
    checked.goto("/dashboard/views")
    checked.get_by_text("Rename or delete Jakarta").click()
    inspect(checked, "saved-views-open")
    page.get_by_text("Rename or delete Jakarta").click()
    page.get_by_role("button", name="Delete Jakarta for all").click()
    expect(page.get_by_text("No views are saved yet")).to_be_visible()


@pytest.mark.rounds
def test_everything_fits_a_phone_and_can_be_read_by_all(open_page: Open, broken: Broken) -> None:
    page = open_page(at=broken[0])
    chosen = "before_rate,rate,rate_expected,change,requested,verified,pending,p50_ms,lost"
    pages = {
        "tables": f"/dashboard?sort=-requested&columns={chosen}&tz=America/Argentina/Buenos_Aires&q=a",
        "saved-views": "/dashboard/views",
    }
    for place, (name, path) in enumerate(pages.items()):
        page.goto(path)
        for look in looks(page, place):
            for details in page.locator("details").all():
                details.evaluate("each => { each.open = true; }")
            inspect(page, f"{name}-{look}")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/dashboard")
    heat = page.locator(".heat")
    assert heat.evaluate("each => each.scrollWidth <= each.parentElement.clientWidth")
    assert page.get_by_role("columnheader", name="birdcall").count() == 1
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 700})
        # For a moment the page is as wide as before.
        expect(page.locator("html")).to_have_js_property("scrollWidth", width)
