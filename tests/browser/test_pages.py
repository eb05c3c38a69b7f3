"""The pages in a browser: signing in and out, other sites, the keyboard, and how they look."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.photographs import (
    ADMINISTRATION,
    ALERTS,
    DASHBOARD,
    EXPLORER,
    OPEN,
    RANGES,
    RELAY,
    photograph,
    route_of,
)
from otpconv.access.keys import AccessKey
from otpconv.config import environment
from tests.house.source import routes

Open = Callable[..., Page]

#: They answer with a file, or lead to another page.
NO_PAGES = {
    "/",
    "/static/{name}",
    "/dashboard/chart.svg",
    "/alerts/{id}/chart.svg",
    "/dashboard/rates.csv",
    "/ranges/block-list.csv",
    "/sign-in/provider",
    "/sign-in/provider/callback",
}


# Signing in and out.


def test_a_key_signs_in_and_out_with_the_keyboard_alone(open_page: Open, key: AccessKey) -> None:
    page = open_page()
    page.goto("/explorer/ConversionData")
    expect(page).to_have_title("Sign in · otpconv")
    # The first field has the focus already.
    page.keyboard.type(key.access_key_id)
    page.keyboard.press("Tab")
    page.keyboard.type(key.secret)
    page.keyboard.press("Enter")
    page.wait_for_url("**/explorer/ConversionData")
    expect(page.get_by_text(key.user)).to_be_visible()
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in")
    page.goto("/explorer")
    expect(page).to_have_title("Sign in · otpconv")


def test_a_wrong_secret_is_told_and_read_out(open_page: Open, key: AccessKey) -> None:
    page = open_page(calls_fail=True)
    page.goto("/sign-in")
    page.get_by_label("AccessKeyId").fill(key.access_key_id)
    page.get_by_label("AccessKeySecret").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("is wrong")
    expect(page.get_by_label("AccessKeyId")).to_have_value(key.access_key_id)
    expect(page.get_by_label("AccessKeySecret")).to_have_value("")
    expect(page.get_by_label("AccessKeySecret")).to_be_focused()


@contextmanager
def on_a_terminal(data: Path) -> Iterator[str]:
    """Run `otpconv serve` on a terminal and give the link it prints."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "otpconv", "serve", "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, stdout=its, stderr=its, env=environment()) as process:  # noqa: S603
        os.close(its)
        try:
            text, deadline = "", time.monotonic() + 20
            while not (found := re.search(r"(http://\S+/sign-in\?token=\S+)\s", text)):
                assert time.monotonic() < deadline, text
                if select.select([ours], [], [], 0.2)[0]:
                    text += os.read(ours, 4096).decode()
            yield found[1]
        finally:
            process.terminate()
    os.close(ours)


@pytest.mark.campaign("tests/web/pages/test_pages.py follows the link of a terminal without a browser")
def test_the_link_of_the_terminal_signs_in_once(open_page: Open, tmp_path: Path) -> None:
    with on_a_terminal(tmp_path / "data") as link:
        page = open_page()
        page.goto(link)
        page.wait_for_url("**/dashboard")
        expect(page.get_by_text("Signed in as admin")).to_be_visible()
        other = open_page(calls_fail=True)
        other.goto(link)
        expect(other.get_by_role("alert")).to_contain_text("used before")
        other.goto(link.partition("/sign-in")[0] + "/explorer")
        expect(other).to_have_title("Sign in · otpconv")


def test_a_form_on_another_page_does_nothing(open_page: Open, key: AccessKey) -> None:
    page = open_page(key=key, calls_fail=True)
    page.goto("/errors")
    target = page.url.replace("/errors", "/sign-out")
    token = page.locator('input[name="form_token"]').first.get_attribute("value")
    other = page.context.new_page()
    field = f'<input name="form_token" value="{token}">'
    other.set_content(f'<form method="post" action="{target}">{field}<button>x</button></form>')
    with other.expect_response("**/sign-out") as answer:
        other.get_by_role("button").click()
    assert answer.value.status == 401  # the browser does not even say who is signed in
    page.reload()
    expect(page.get_by_text(key.user)).to_be_visible()


def test_a_page_whose_action_is_not_allowed_names_it(
    open_page: Open, make_key: Callable[..., AccessKey]
) -> None:
    page = open_page(key=make_key("OtpconvReadOnly"))
    page.goto("/explorer/SmsConversion")
    expect(page.locator(".notice")).to_contain_text("may not do dysms:SmsConversion")


# What scripts add.


def test_codes_are_found_as_one_types(open_page: Open) -> None:
    page = open_page()
    page.goto("/errors")
    page.get_by_role("searchbox").fill("nonceused")
    expect(page.locator(".codes li:visible")).to_have_count(1)
    expect(page.locator("#found")).to_have_text("1 code")
    page.get_by_role("searchbox").fill("nothing of the kind")
    expect(page.get_by_text("No code matches.")).to_be_visible()
    page.get_by_role("searchbox").fill("")
    expect(page.get_by_text("No code matches.")).to_be_hidden()
    page.get_by_role("link", name="SignatureDoesNotMatch").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("SignatureDoesNotMatch")


def test_without_scripts_the_search_is_a_form(open_page: Open) -> None:
    page = open_page(scripts=False)
    page.goto("/errors")
    page.get_by_role("searchbox").fill("nonceused")
    page.get_by_role("button", name="Search").click()
    assert page.locator(".codes li").count() == 1


def test_who_uses_the_keyboard_may_skip_to_the_content(open_page: Open) -> None:
    page = open_page()
    page.goto("/errors")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


# How they look.


@pytest.mark.long("nine pages, in a campaign each in six looks")
@pytest.mark.rounds
def test_every_page_can_be_read_by_all_in_light_and_dark_wide_and_narrow(
    open_page: Open, key: AccessKey
) -> None:
    for pages, signed_in in ((OPEN, None), (EXPLORER, key)):
        page = open_page(key=signed_in, calls_fail=True)
        for place, (name, path) in enumerate(pages.items()):
            page.goto(path)
            photograph(page, name, place)


def test_every_route_of_a_page_has_a_photograph() -> None:
    paths = [each.removeprefix("GET ") for each in routes("web/pages") if each.startswith("GET ")]
    addresses = {**OPEN, **EXPLORER, **ADMINISTRATION, **DASHBOARD, **RANGES, **RELAY, **ALERTS}.values()
    assert {*paths} - {route_of(address, paths) for address in addresses} == NO_PAGES
