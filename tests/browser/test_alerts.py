"""Alerts in a browser: answered by keyboard, without scripts too, and readable by all."""

from collections.abc import Callable
from random import Random

import httpx
import pytest
from playwright.sync_api import Page, expect

from alerts.showing.alerts import alert
from browser.keyboard import press
from browser.photographs import photograph
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.storage.alerts.contract import Checkpoint
from otpconv.storage.contract import HOUR_MS
from otpconv.storage.sqlite.alerts import alerts_file

Open = Callable[..., Page]


@pytest.mark.long("fills an account, and starts a browser if no other test has")
def test_an_alert_is_answered_by_keyboard(
    open_page: Open, server: LocalServer, key: AccessKey, own: httpx.Client
) -> None:
    now = wall_clock()
    fill(own, now)
    store = alerts_file(server.data / "alerts.sqlite")
    found = alert(since=now - 2 * HOUR_MS).found
    assert store.record(key.account, None, Checkpoint(now - HOUR_MS, {}), [found])
    number = store.alerts(key.account, ("open",))[0].id
    store.close()
    page = open_page(key=key)
    page.goto("/dashboard")
    strip = page.locator("#alerts")
    expect(strip).to_contain_text("1 alert")
    strip.get_by_role("link", name="acme in DE").click()
    page.wait_for_url(f"**/alerts/{number}")
    expect(page.locator("#finding")).to_contain_text("30 of 300 messages were verified")
    assert page.locator("picture img").evaluate("each => each.decode().then(() => each.naturalWidth)") > 0
    expect(page.locator("#ticket")).to_contain_text("Dear acme team")
    expect(page.get_by_role("button", name="Copy")).to_be_visible()
    expect(page.get_by_role("row", name="bravo")).to_be_visible()
    photograph(page, "alert", 0)
    page.get_by_label("Note").fill("ticket 4711")
    press(page, page.get_by_role("button", name="Acknowledge"))
    page.wait_for_url("**done=alert-acknowledged")
    expect(page.locator(".history")).to_contain_text("Acknowledged by")
    press(page, page.get_by_role("button", name="Snooze 4 hours"))
    page.wait_for_url("**done=alert-snoozed")
    plain = open_page(key=key, scripts=False)
    plain.goto("/alerts?q=acme")
    expect(plain.locator(".alert-item")).to_contain_text("snoozed by")
    plain.get_by_role("button", name="Acknowledge acme in DE").click()
    plain.wait_for_url("**done=alert-acknowledged")
    page.goto("/alerts")
    photograph(page, "alerts", 1)


def fill(own: httpx.Client, now: int) -> None:
    """Report messages of three days by two providers, of which acme fails for two hours."""
    random = Random(1)
    messages, conversions = [], []
    for n in range(3_000):
        at = now - 72 * HOUR_MS + n * 72 * HOUR_MS // 3_000
        provider = random.choice(("acme", "bravo"))
        messages.append(
            {"message_id": f"m{n}", "requested_at": at, "country": "DE", "provider": provider, "attempt": 1}
        )
        failing = provider == "acme" and at > now - 2 * HOUR_MS
        if random.random() < (0.1 if failing else 0.85):
            conversions.append({"message_id": f"m{n}", "delivered": True, "conversion_time": at + 9_000})
    own.post("/v1/messages", json={"messages": messages}).raise_for_status()
    own.post("/v1/conversions", json={"conversions": conversions}).raise_for_status()
