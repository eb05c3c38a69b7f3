"""Every page writes its times in the time zone that the viewer has chosen, and names it."""

import re
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.times import parse_time
from otpconv.web.pages.figures import format_instant

ZONES = ("UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati", "Asia/Kathmandu")
NUMBER = "+34600000042"
PATHS = (
    "/dashboard",
    "/dashboard/message?message_id=zoned",
    "/dashboard/views",
    "/administration/users",
    "/administration/users/{user}",
    "/administration/policies",
    "/administration/policies/zoned",
    "/administration/permissions",
    "/administration/audit",
    "/administration/health",
)
TIME = re.compile(r'<time datetime="([^"]+)">([^<]+)</time>')


@pytest.fixture
def browser(server: LocalServer, key: AccessKey) -> Iterator[httpx.Client]:
    """A signed-in browser; its account has a message, an annotation, a saved view and a policy."""
    auth = (key.access_key_id, key.secret)
    now = wall_clock()
    message = {"message_id": "zoned", "to": NUMBER, "requested_at": now - 60_000}
    for path, body in (
        ("/v1/messages", {"messages": [message]}),
        (
            "/v1/conversions",
            {"conversions": [{"message_id": "zoned", "delivered": True, "conversion_time": now - 30_000}]},
        ),
        ("/v1/annotations", {"text": "Release", "at": now}),
    ):
        answer = httpx.post(f"{server.url}{path}", json=body, auth=auth)
        assert answer.status_code in {200, 201}, answer.text
        assert not answer.json().get("rejected"), answer.text
    with httpx.Client(base_url=server.url, headers={"accept": "text/html", "origin": server.url}) as opened:
        form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
        assert opened.post("/sign-in", data=form).status_code == 303
        document = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
        for path, fields in (
            ("/dashboard/views", {"name": "zoned", "view": "/dashboard?window=7d"}),
            ("/administration/policies", {"name": "zoned", "document": document}),
        ):
            assert opened.post(path, data={"form_token": token_of(opened), **fields}).status_code == 303
        yield opened


def token_of(browser: httpx.Client) -> str:
    return re.findall(r'name="form_token" value="([^"]+)"', browser.get("/explorer").text)[0]


def choose(browser: httpx.Client, zone: str) -> None:
    fields = {"form_token": token_of(browser), "tz": zone, "view": "/dashboard"}
    assert browser.post("/dashboard/choices", data=fields).status_code == 303


def written(text: str) -> datetime:
    """Return a time as a page writes it: whole, or without the year or the seconds."""
    for form in ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%d %b %H:%M"):
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - in the page's zone
        except ValueError:
            continue
    raise AssertionError(text)


def test_every_page_writes_its_times_in_the_chosen_zone(browser: httpx.Client, key: AccessKey) -> None:
    for zone in ZONES:
        choose(browser, zone)
        seen = set()
        for path in PATHS:
            page = browser.get(path.replace("{user}", key.user))
            assert page.status_code == 200, path
            main = page.text.partition("<main")[2]
            assert zone in main, path
            assert zone == "UTC" or not re.search(r"[\s>]UTC[\s.,<]", main.replace("<option>UTC", "")), path
            for machine, text in TIME.findall(main):
                there = datetime.fromisoformat(machine).astimezone(ZoneInfo(zone))
                shown = written(text)
                same = shown.replace(year=there.year) if len(text) < len("2026-01-01") + 3 else shown
                assert 0 <= (there.replace(tzinfo=None) - same).total_seconds() < 60, (path, text)
                seen.add(path)
        assert len(seen) >= 8, seen


def test_the_story_of_a_message_is_told_in_the_chosen_zone(browser: httpx.Client) -> None:
    choose(browser, "Asia/Kolkata")
    for answer in (
        browser.get("/dashboard/message?message_id=zoned"),
        browser.post("/dashboard/message", data={"form_token": token_of(browser), "message_id": NUMBER}),
    ):
        story = answer.text.partition("Sent at ")[2]
        sent, verified = story.split(" ")[0], story.partition("Verified at ")[2].split(",")[0]
        assert sent.endswith("+05:30"), story[:500]
        assert verified.endswith("+05:30"), story[:500]
        assert parse_time(verified, now=wall_clock()) - parse_time(sent, now=wall_clock()) == 30_000


def test_times_that_are_searched_in_the_audit_trail_are_of_the_chosen_zone(browser: httpx.Client) -> None:
    choose(browser, "Asia/Kolkata")
    zone, now = ZoneInfo("Asia/Kolkata"), wall_clock()

    def lines(start: int, end: int) -> int:
        times = {name: format_instant(at, zone) for name, at in (("start", start), ("end", end))}
        page = browser.get("/administration/audit", params={**times, "what": "CreatePolicy"})
        assert page.status_code == 200, page.text
        return len(TIME.findall(page.text))

    assert lines(now - 300_000, now + 60_000) == 1
    assert lines(now - 7_200_000, now - 3_600_000) == 0
