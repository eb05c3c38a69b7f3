"""Alerts on pages and over the API: what they show, who sees and changes them, and the dashboard's strip."""

from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo

import httpx
import pytest

from alerts.showing.alerts import alert
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.storage.alerts.contract import AlertStore, Change, Checkpoint, Ended, Found, Values
from otpconv.storage.contract import HOUR_MS
from otpconv.storage.sqlite.alerts import alerts_file
from otpconv.web.pages.alerts.lists import MAX_RESOLVED
from otpconv.web.pages.alerts.snoozing import snooze_until
from tests.cli.commands import Run
from web.pages.administration.forms import post

SignedIn = Callable[[AccessKey], httpx.Client]


@pytest.fixture
def store(server: LocalServer) -> Iterator[AlertStore]:
    opened = alerts_file(server.data / "alerts.sqlite")
    yield opened
    opened.close()


def record(store: AlertStore, account: int, *changes: Change) -> None:
    """Record what detectors found."""
    last = store.checkpoint(account)
    at = max(wall_clock() - HOUR_MS, last.at + 60_000 if last else 0)
    assert store.record(account, last.at if last else None, Checkpoint(at, {}), changes)


def fall(country: str, provider: str = "acme") -> Found:
    return alert(
        values=(("country", country), ("provider", provider)), since=wall_clock() - 3 * HOUR_MS
    ).found


def test_an_alert_is_shown_acknowledged_and_snoozed(
    admin: httpx.Client,
    own: httpx.Client,
    at: Run,
    key: AccessKey,
    store: AlertStore,
) -> None:
    record(store, key.account, fall("DE"))
    (found,) = own.get("/v1/alerts").json()["alerts"]
    path, number = f"/alerts/{found['id']}", str(found["id"])
    page = admin.get(path).text
    assert "30 of 300 messages were verified" in page
    assert "Send the ticket to acme." in page
    assert "Dear acme team" in page
    answer = own.get(f"/v1{path}").json()
    assert answer["cost"]["missing"] == 210
    assert [event["happening"] for event in answer["history"]] == ["opened"]
    assert answer["series"]["quantity"] == "verified"
    assert own.get(f"/v1{path}/ticket").text == answer["ticket"]
    assert answer["ticket"] in at("alerts", "show", number, "--ticket").stdout
    assert "Send the ticket to acme." in at("alerts", "show", number).stdout
    done = post(admin, f"{path}/acknowledge", note="ticket 4711")
    assert done.headers["location"] == f"{path}?done=alert-acknowledged"
    assert "The alert is acknowledged." in admin.get(done.headers["location"]).text
    assert post(admin, f"{path}/snooze", **{"for": "4h"}).status_code == 303
    assert post(admin, f"{path}/snooze", **{"for": "ever"}).status_code == 400
    after = own.get(f"/v1{path}").json()
    assert (after["state"], after["changed_by"]) == ("snoozed", key.display_name)
    assert [event["note"] for event in after["history"]] == ["", "ticket 4711", ""]
    assert admin.get("/alerts/999999999").status_code == 404
    assert own.get("/v1/alerts/999999999").status_code == 404


def test_the_list_is_filtered_and_paged(
    admin: httpx.Client,
    key: AccessKey,
    store: AlertStore,
) -> None:
    many: list[Found] = [fall("FR", f"provider-{n}") for n in range(MAX_RESOLVED + 1)]
    record(store, key.account, fall("DE"), *many)
    record(store, key.account, *(Ended("conversion_fell", found.values) for found in many))
    page = admin.get("/alerts").text
    assert page.count('class="alert-item over"') == MAX_RESOLVED
    assert "acme in DE" in page
    older = page.partition('href="/alerts?show=resolved&amp;')[2].partition('"')[0]
    assert "provider-0 in FR" in admin.get(f"/alerts?show=resolved&{older}").text
    assert "acme in DE" not in admin.get("/alerts?show=resolved").text
    assert 'class="alert-item over"' not in admin.get("/alerts?show=lasting&kind=conversion_fell&q=acme").text
    assert "Nothing needs your attention" in admin.get("/alerts?kind=volume").text
    for query in ("show=some", "kind=some", "before=x", "other=1", f"q={'x' * 101}"):
        assert admin.get(f"/alerts?{query}").status_code == 400


def test_the_dashboard_names_the_worst_ones_first(
    admin: httpx.Client,
    key: AccessKey,
    store: AlertStore,
) -> None:
    assert "alerts-strip" not in admin.get("/dashboard").text
    warnings = [alert("volume", (("country", name),)).found for name in ("FR", "ES", "IT")]
    mild = [Found("volume", one.values, "warning", 1, 1, 1, one.evidence) for one in warnings]
    record(store, key.account, *mild, fall("DE"))
    strip = admin.get("/dashboard").text.partition("alerts-strip")[2].partition("</div>")[0]
    assert strip.index("acme in DE") < strip.index("everywhere")
    assert strip.count("<li>") == 3
    assert "and 1 more" in strip


def test_only_who_may_sees_and_answers_alerts(
    signed_in: SignedIn,
    make_key: Callable[..., AccessKey],
    server: LocalServer,
    store: AlertStore,
) -> None:
    reader, reporter = make_key("OtpconvReadOnly"), make_key("OtpconvReportOnly")
    record(store, reader.account, fall("DE"))
    number = store.alerts(reader.account, ("open",))[0].id
    browser = signed_in(reader)
    page = browser.get(f"/alerts/{number}").text
    assert "Dear acme team" in page
    assert "Acknowledge" not in page
    assert post(browser, f"/alerts/{number}/acknowledge").status_code == 403
    other = signed_in(reporter)
    assert other.get("/alerts").status_code == 403
    assert 'href="/alerts"' not in other.get("/errors").text
    auth = (reporter.access_key_id, reporter.secret)
    assert httpx.get(f"{server.url}/v1/alerts/{number}", auth=auth).status_code == 403
    stranger = signed_in(make_key())
    assert stranger.get(f"/alerts/{number}").status_code == 404


def test_snoozing_until_tomorrow_means_nine_in_the_visitors_zone() -> None:
    zone = ZoneInfo("Europe/Berlin")
    # 2026-10-24 23:30 in Berlin; the clocks go back in the night.
    now = 1_792_877_400_000
    assert snooze_until("morning", now, zone) == now + int(10.5 * HOUR_MS)
    assert snooze_until("1h", now, zone) == now + HOUR_MS


def test_an_alert_about_a_vendor_account_has_no_chart(
    admin: httpx.Client,
    key: AccessKey,
    store: AlertStore,
) -> None:
    values: Values = (("vendor", "acme"),)
    record(store, key.account, alert("dead_letters", values, since=wall_clock() - HOUR_MS).found)
    number = store.alerts(key.account, ("open",))[0].id
    page = admin.get(f"/alerts/{number}").text
    assert 'href="/relay"' in page
    assert "chart.svg" not in page
    assert admin.get(f"/alerts/{number}/chart.svg").status_code == 404
