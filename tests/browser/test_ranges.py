"""The page of number ranges in a browser: filters, the list to block, looks, and the dashboard's sentence."""

import csv
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from browser.photographs import RANGES, photograph
from otpconv.access.keys import AccessKey
from web.pumped import PUMPED, entered_codes, record, traffic

Open = Callable[..., Page]


def test_pumped_ranges_and_what_a_block_would_hit_are_on_one_page(
    open_page: Open, key: AccessKey, own: httpx.Client, tmp_path: Path
) -> None:
    now = time.time_ns() // 1_000_000
    record(own, traffic(now))
    record(own, entered_codes(now))
    listed = {"prices": [{"provider": "acme", "country": "DE", "price": "0.10", "currency": "EUR"}]}
    own.post("/v1/prices", json=listed).raise_for_status()
    page = open_page(key=key, calls_fail=True)  # for the wrong address at the end
    page.goto(RANGES["ranges"])
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=PUMPED[0]))
    expect(row).to_contain_text("DE")
    expect(row).to_contain_text("EUR")
    expect(page.get_by_role("link", name="hawk in FR")).to_be_visible()
    photograph(page, "ranges", 0)
    page.get_by_label("Country").select_option("FR")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("No number range looks like fraud in France.")).to_be_visible()
    photograph(page, "ranges-none", 1)
    page.goto(RANGES["ranges-fraud"])
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV to block").click()
    download.value.save_as(file := tmp_path / "block.csv")
    with file.open(newline="") as text:
        assert {f"+{line['prefix']}" for line in csv.DictReader(text)} == {*PUMPED}
    page.goto("/dashboard?window=7d")
    notice = page.locator("#fraud-notice")
    expect(notice).to_contain_text("2 number ranges look like fraud, with 120 of")
    expect(notice).to_contain_text("Without them, the rate is")
    photograph(page, "dashboard-ranges", 1)
    notice.get_by_role("link").click()
    page.wait_for_url("**/ranges?show=fraud")
    page.goto("/ranges?show=nonsense")
    expect(page.get_by_role("alert")).to_contain_text("Invalid show 'nonsense'")
