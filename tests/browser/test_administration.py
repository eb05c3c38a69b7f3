"""Administration in a browser: with the keyboard, without scripts, and how its pages look."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from browser.test_pages import inspect, looks
from otpconv.access.keys import AccessKey

Open = Callable[..., Page]

PAGES = {
    "administration-users": "/administration/users",
    "administration-policies": "/administration/policies",
    "administration-policy": "/administration/policies/OtpconvReadOnly",
    "administration-new-policy": "/administration/new-policy",
    "administration-permissions": "/administration/permissions?action=otpconv:QueryRates",
    "administration-audit": "/administration/audit",
    "administration-health": "/administration/health",
}


@pytest.mark.long("ten pages, each in four looks")
def test_every_page_can_be_read_in_light_and_dark_wide_and_narrow(open_page: Open, key: AccessKey) -> None:
    page = open_page(key=key, calls_fail=True)
    user = f"/administration/users/{key.user}"
    for name, path in (PAGES | {"administration-user": user}).items():
        page.goto(path)
        for look in looks(page):
            inspect(page, f"{name}-{look}")
    page.goto(user)
    page.get_by_role("button", name="Rotate").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("New access key")
    for look in looks(page):
        inspect(page, f"administration-secret-{look}")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_key_is_created_for_a_new_user_with_the_keyboard_alone(
    open_page: Open, key: AccessKey, *, scripts: bool
) -> None:
    page = open_page(key=key, scripts=scripts)
    page.get_by_role("link", name="Administration").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/administration/users")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type("olga")
    page.keyboard.press("Enter")
    page.wait_for_url("**/administration/users/olga?*")
    expect(page.get_by_role("status")).to_contain_text("The user is created.")
    page.get_by_role("button", name="Attach").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**policy-attached")
    page.get_by_role("button", name="Create access key").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("New access key")
    secret = page.locator("#access-key-secret").text_content() or ""
    page.get_by_role("link", name="I have copied it").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("active")).to_be_visible()
    assert len(secret) == 30
    assert secret not in page.content()
    page.get_by_text("Delete olga").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Delete this user for good").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The user is deleted")


def test_a_wrong_policy_is_read_out_at_its_field(open_page: Open, key: AccessKey) -> None:
    page = open_page(key=key, calls_fail=True)
    page.goto("/administration/new-policy")
    page.get_by_label("Name", exact=True).fill("Rates")
    page.get_by_label("Policy document").fill("{}")
    page.get_by_role("button", name="Create policy").click()
    expect(page.get_by_role("alert")).to_contain_text("Version")
    expect(page.get_by_label("Policy document")).to_be_focused()
    expect(page.get_by_label("Policy document")).to_have_attribute("aria-invalid", "true")
