"""The page of the relay: it shows what waits, and has a switch for each vendor account."""

from collections.abc import Callable

import httpx

from otpconv.access.keys import AccessKey
from web.pages.administration.forms import post

SignedIn = Callable[[AccessKey], httpx.Client]
SETTINGS = {"endpoint": "http://127.0.0.1:1", "signing_secret": "s3cret-Key"}


def test_the_relay_is_shown_and_switched(admin: httpx.Client, own: httpx.Client) -> None:
    assert "no vendor account yet" in admin.get("/relay").text
    vendor = {"name": "acme", "kind": "webhook", "provider": "acme", "settings": SETTINGS}
    assert own.post("/v1/vendors", json=vendor).status_code == 201
    paused = post(admin, "/relay/acme/pause")
    assert (paused.status_code, paused.headers["location"]) == (303, "/relay?done=relay-paused")
    page = admin.get(paused.headers["location"]).text
    assert "The relay is paused" in page
    assert "/relay/acme/resume" in page
    assert "s3cret-Key" not in page
    assert own.get("/v1/relay").json()["vendors"][0]["state"] == "paused"
    assert post(admin, "/relay/acme/resume").status_code == 303
    assert own.get("/v1/relay").json()["vendors"][0]["state"] == "closed"
    assert post(admin, "/relay/acme/retry").status_code == 303
    assert post(admin, "/relay/unknown/pause").status_code == 404
    own.delete("/v1/vendors/acme")


def test_only_who_may_sees_and_switches_it(
    own: httpx.Client, signed_in: SignedIn, make_key: Callable[..., AccessKey]
) -> None:
    reader = make_key("OtpconvReadOnly")
    browser = signed_in(reader)
    assert browser.get("/relay").status_code == 200
    assert post(browser, "/relay/acme/pause").status_code == 403
    reporter = signed_in(make_key("OtpconvReportOnly"))
    assert reporter.get("/relay").status_code == 403
    assert own.post("/relay/acme/pause").status_code in {303, 401, 403}
