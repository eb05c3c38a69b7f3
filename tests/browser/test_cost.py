"""Costs on the dashboard: beside the rates, in each currency, readable in both themes and widths."""

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from browser.photographs import inspect, looks
from otpconv.access.keys import AccessKey
from otpconv.clock import wall_clock

Open = Callable[..., Page]
HOUR_MS = 3_600_000


@pytest.mark.long("fills an account, and starts a browser if no other test has")
def test_the_cost_per_verified_is_beside_the_rate(open_page: Open, key: AccessKey, own: httpx.Client) -> None:
    at = wall_clock() - 2 * HOUR_MS
    messages = [
        {"message_id": f"{country}{n}", "requested_at": at, "country": country, "provider": "acme"}
        | ({"price": "0.05", "currency": "EUR"} if n < 20 else {})
        for country in ("DE", "FR")
        for n in range(30)
    ]
    conversions = [
        {"message_id": message["message_id"], "delivered": True, "conversion_time": at + 9_000}
        for message in messages[::2]
    ]
    own.post("/v1/messages", json={"messages": messages}).raise_for_status()
    own.post("/v1/conversions", json={"conversions": conversions}).raise_for_status()
    page = open_page(key=key)
    page.goto("/dashboard?by=country")
    expect(page.locator("#cost")).to_have_text("≥ 2.0000 EUR")
    expect(page.locator("#cost-per-verified")).to_have_text("≥ 0.0667 EUR")
    expect(page.locator("#unpriced")).to_have_text("20")
    cells = page.locator("#worst table").first.locator("tbody tr").first
    expect(cells).to_contain_text("≥ 0.0667 EUR")
    own.post("/v1/prices", json={"prices": [{"price": "1", "currency": "USD"}]}).raise_for_status()
    page.goto("/dashboard?by=country&columns=rate,cost,cost_per_verified,unpriced&sort=-cost")
    expect(page.locator("#cost")).to_have_text("2.0000 EUR + 20.00 USD")
    expect(page.locator("#unpriced")).to_have_count(0)
    for look in looks(page, 1):
        inspect(page, f"dashboard-cost-{look}")
