"""Administration in a browser: the texts that screen readers read out, and the looks of its pages."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from browser.photographs import ADMINISTRATION, photograph
from otpconv.access.keys import AccessKey

Open = Callable[..., Page]


@pytest.mark.long("ten pages, in a campaign each in six looks")
@pytest.mark.rounds
def test_every_page_can_be_read_in_light_and_dark_wide_and_narrow(open_page: Open, key: AccessKey) -> None:
    page = open_page(key=key, calls_fail=True)
    for place, (name, path) in enumerate(ADMINISTRATION.items()):
        page.goto(path.format(user=key.user))
        photograph(page, name, place)
    page.goto(f"/administration/users/{key.user}")
    page.get_by_role("button", name="Rotate").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("New access key")
    photograph(page, "administration-secret", len(ADMINISTRATION))


def test_a_wrong_policy_is_read_out_at_its_field(open_page: Open, key: AccessKey) -> None:
    page = open_page(key=key, calls_fail=True)
    page.goto("/administration/new-policy")
    page.get_by_label("Name", exact=True).fill("Rates")
    page.get_by_label("Policy document").fill("{}")
    page.get_by_role("button", name="Create policy").click()
    expect(page.get_by_role("alert")).to_contain_text("Version")
    expect(page.get_by_label("Policy document")).to_be_focused()
    expect(page.get_by_label("Policy document")).to_have_attribute("aria-invalid", "true")
