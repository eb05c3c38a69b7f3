"""The page of the relay in a browser: its switch by keyboard, and its looks."""

from collections.abc import Callable

import httpx
from playwright.sync_api import Page, expect

from browser.keyboard import press
from browser.photographs import RELAY, photograph
from faults.bad_server import BadServer, http, saying, unless
from otpconv.access.keys import AccessKey

Open = Callable[..., Page]
REFUSAL = {"ResponseCode": "MESSAGE_ID_ILLEGAL", "ResponseDescription": "The message ID is invalid."}


def vendor_account(client: httpx.Client, name: str, endpoint: str) -> None:
    settings = {"endpoint": endpoint, "access_key_id": "LTAIvendor", "access_key_secret": "s3cret-Key"}
    body = {"name": name, "kind": "alibaba", "provider": name, "settings": settings}
    assert client.post("/v1/vendors", json=body).status_code == 201


def report(client: httpx.Client, provider: str, *ids: str) -> None:
    messages = [{"message_id": name, "provider": provider} for name in ids]
    client.post("/v1/messages", json={"messages": messages}).raise_for_status()
    conversions = [{"message_id": name, "delivered": True} for name in ids]
    client.post("/v1/conversions", json={"conversions": conversions}).raise_for_status()


def test_the_relay_is_paused_and_resumed_by_keyboard(
    open_page: Open, key: AccessKey, own: httpx.Client, eventually: Callable[..., None]
) -> None:
    """The page has a dead letter, a vendor that fails, and a vendor account that is paused."""
    with BadServer() as vendor:
        vendor.answer = unless("bad", saying(http(200, REFUSAL)))
        vendor_account(own, "ali", vendor.url)
        vendor_account(own, "gone", "http://127.0.0.1:1")
        report(own, "ali", "good", "bad")
        report(own, "gone", "waits")

        def states() -> list[tuple[int, int, bool]]:
            relays = own.get("/v1/relay").json()["vendors"]
            return [(relay["sent"], relay["dead"], relay["error"] != "") for relay in relays]

        eventually(states, [(1, 1, False), (0, 0, True)])
        page = open_page(key=key)
        page.goto(RELAY["relay"])
        expect(page.locator("tbody th")).to_have_text("bad")
        expect(page.get_by_text("Report messages with the id that SendMessage returned")).to_be_visible()
        expect(page.get_by_role("region", name="gone").get_by_role("status")).to_contain_text("Unreachable")
        photograph(page, "relay", 0)
        press(page, page.get_by_role("button", name="Pause ali"))
        page.wait_for_url("**done=relay-paused")
        expect(page.get_by_role("status").first).to_contain_text("paused")
        photograph(page, "relay-paused", 1)
        report(own, "ali", "later")
        press(page, page.get_by_role("button", name="Resume ali"))
        page.wait_for_url("**done=relay-resumed")
        eventually(lambda: states()[0][0], 2)
        vendor.answer = saying(http(200, {"ResponseCode": "OK"}))
        press(page, page.get_by_role("button", name="Send again to ali"))
        page.wait_for_url("**done=relay-retried")
        eventually(lambda: states()[0][:2], (3, 0))
