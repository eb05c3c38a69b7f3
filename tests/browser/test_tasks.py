"""The main tasks, done with the keyboard alone, with JavaScript and without it."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from browser.keyboard import press, reach, write
from campaigns import parameters
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock

Open = Callable[..., Page]

pytestmark = [
    pytest.mark.parametrize(
        "scripts",
        parameters([False, True], [False], "with scripts, which other tests of this folder have"),
        ids=["no-scripts", "scripts"],
    ),
    pytest.mark.long("presses the Tab key hundreds of times"),
]

#: Another task stays in `make test`; test_tables.py and test_pages.py have more by keyboard.
further = pytest.mark.campaign("the same keys find the failing route in this file")
MINUTE_MS = 60_000
NUMBER = "+4915112345678"


@pytest.fixture(scope="module")
def traffic(make_key: Callable[..., AccessKey], server: LocalServer) -> AccessKey:
    """The key of an account with two days of traffic, in which birdcall has failed for 5 hours."""
    key, now = make_key(), wall_clock()
    messages, conversions = [], []
    for number in range(48 * 60):
        at = now - (48 * 60 - number) * MINUTE_MS
        for provider in ("acme", "birdcall"):
            message_id = f"{provider}-{number}"
            named = {"message_id": message_id, "country": "ID", "provider": provider}
            messages.append(named | {"template": "login", "requested_at": at})
            failing = provider == "birdcall" and at > now - 5 * 60 * MINUTE_MS
            if number % 25 == 0 if failing else number % 4:
                conversions.append(
                    {"message_id": message_id, "delivered": True, "conversion_time": at + 9_000}
                )
    messages.append({"message_id": "complaint", "to": NUMBER, "provider": "acme", "template": "login"})
    auth = (key.access_key_id, key.secret)
    with httpx.Client(base_url=server.url, auth=auth) as client:
        for kind, reports in (("messages", messages), ("conversions", conversions)):
            for first in range(0, len(reports), 1_000):
                client.post(f"/v1/{kind}", json={kind: reports[first : first + 1_000]}).raise_for_status()
    return key


@further
def test_sign_in(open_page: Open, key: AccessKey, scripts: bool) -> None:  # noqa: FBT001
    page = open_page(scripts=scripts)
    page.goto("/errors")
    press(page, page.get_by_role("link", name="Sign in"))
    page.wait_for_url("**/sign-in")
    reach(page, page.get_by_label("AccessKeyId"))
    page.keyboard.type(key.access_key_id)
    write(page, page.get_by_label("AccessKeySecret"), key.secret)
    page.wait_for_url("**/dashboard")
    press(page, page.get_by_role("button", name="Sign out"))
    page.wait_for_url("**/sign-in")


def test_find_the_failing_route_and_open_it(open_page: Open, traffic: AccessKey, scripts: bool) -> None:  # noqa: FBT001
    page = open_page(key=traffic, scripts=scripts)
    page.goto("/dashboard")
    expect(page.locator("#broken")).to_contain_text("birdcall")
    press(page, page.locator("#broken a").first)
    page.wait_for_url("**provider=birdcall**")
    expect(page.locator(".chips")).to_contain_text("birdcall")


@further
def test_change_the_window_and_the_split(open_page: Open, traffic: AccessKey, scripts: bool) -> None:  # noqa: FBT001
    page = open_page(key=traffic, scripts=scripts)
    page.goto("/dashboard")
    press(page, page.get_by_role("link", name="the last 6 hours"))
    page.wait_for_url("**window=6h")
    press(page, page.locator("#custom > summary"))
    write(page, page.get_by_label("Split by"), "template")
    page.wait_for_url("**by=template**")
    expect(page.locator("#worst tbody th").first).to_have_text("login")
    assert parse_qs(urlsplit(page.url).query)["by"] == ["template"]


@further
def test_look_up_a_message_by_id_and_by_number(open_page: Open, traffic: AccessKey, scripts: bool) -> None:  # noqa: FBT001
    page = open_page(key=traffic, scripts=scripts)
    page.goto("/dashboard")
    write(page, page.get_by_label("Message id or phone number"), "acme-1")
    page.wait_for_url("**message_id=acme-1")
    expect(page.get_by_role("heading", level=1)).to_have_text("acme-1")
    write(page, page.get_by_label("Another message id or phone number"), NUMBER)
    expect(page.get_by_role("heading", name="Messages to this number")).to_be_visible()
    assert NUMBER not in page.url
    press(page, page.get_by_role("link", name="complaint"))
    page.wait_for_url("**message_id=complaint")


@further
def test_make_a_call_in_the_explorer(open_page: Open, key: AccessKey, scripts: bool) -> None:  # noqa: FBT001
    page = open_page(key=key, scripts=scripts)
    page.goto("/dashboard")
    press(page, page.get_by_role("link", name="Explorer", exact=True))
    page.wait_for_url("**/explorer")
    press(page, page.get_by_role("link", name="SmsConversion", exact=True).first)
    page.wait_for_url("**/SmsConversion")
    reach(page, page.get_by_label("MessageId"))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("by-keyboard")
    press(page, page.get_by_role("button", name="Send"))
    expect(page.locator(".badge")).to_have_text("HTTP 200")


@further
def test_create_a_user_with_a_key_and_disable_it(open_page: Open, key: AccessKey, scripts: bool) -> None:  # noqa: FBT001
    page = open_page(key=key, scripts=scripts)
    page.goto("/dashboard")
    press(page, page.get_by_role("link", name="Administration"))
    page.wait_for_url("**/administration/users")
    write(page, page.get_by_label("Name", exact=True), "olga")
    page.wait_for_url("**/administration/users/olga?*")
    expect(page.get_by_role("status")).to_contain_text("The user is created.")
    press(page, page.get_by_role("button", name="Attach"))
    page.wait_for_url("**policy-attached")
    press(page, page.get_by_role("button", name="Create access key"))
    expect(page.get_by_role("heading", level=1)).to_have_text("New access key")
    secret = page.locator("#access-key-secret").text_content() or ""
    press(page, page.get_by_role("link", name="I have copied it"))
    expect(page.get_by_text("active")).to_be_visible()
    assert len(secret) == 30
    assert secret not in page.content()
    press(page, page.get_by_role("button", name="Disable"))
    page.wait_for_url("**key-disabled")
    expect(page.get_by_text("disabled", exact=True)).to_be_visible()
    press(page, page.get_by_text("Delete olga"))
    press(page, page.get_by_role("button", name="Delete this user for good"))
    expect(page.get_by_role("status")).to_contain_text("The user is deleted")


@further
def test_search_the_audit_trail(open_page: Open, key: AccessKey, own: httpx.Client, scripts: bool) -> None:  # noqa: FBT001
    own.get("/v1/messages/unknown", auth=(key.access_key_id, "wrong"))
    page = open_page(key=key, scripts=scripts)
    page.goto("/dashboard")
    press(page, page.get_by_role("link", name="Administration"))
    page.wait_for_url("**/administration/users")
    press(page, page.get_by_role("link", name="Audit trail"))
    page.wait_for_url("**/administration/audit")
    write(page, page.get_by_label("Who"), key.user)
    page.wait_for_url(f"**who={key.user}**")
    expect(page.get_by_role("heading", name="line")).to_be_visible()
