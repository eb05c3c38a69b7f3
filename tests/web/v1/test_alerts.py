"""Alerts over the API and the command line: listed, acknowledged, snoozed, controlled and audited."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest

from audited import audited
from cli.commands import Run
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.storage.alerts.contract import Alert, AlertStore, Checkpoint
from otpconv.storage.sqlite.alerts import alerts_file
from storage.alerts.findings import ACME, MINUTE, NOW, ended, found

PATH = "/v1/alerts"


@pytest.fixture
def kept(server: LocalServer) -> Iterator[AlertStore]:
    """The alerts of the server, as a detector beside it has them."""
    with closing(alerts_file(server.data / "alerts.sqlite")) as opened:
        yield opened


@pytest.fixture
def alerts(kept: AlertStore, key: AccessKey) -> list[Alert]:
    """One alert that lasts, and one that is resolved."""
    volume = found(kind="volume", severity="critical")
    some = [volume, found(ACME, verified=60), ended(volume)]
    assert kept.record(key.account, None, Checkpoint(NOW, {}), some)
    return kept.alerts(key.account, ["open"]) + kept.alerts(key.account, ["resolved"])


def ids(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [alert["id"] for alert in answer.json()["alerts"]]


def test_alerts_that_last_are_listed_and_others_on_request(own: httpx.Client, alerts: list[Alert]) -> None:
    (shown,) = own.get(PATH).json()["alerts"]
    assert shown.pop("evidence") == {
        "requested": 100,
        "verified": 60,
        "expected": 85.5,
        "expected_low": 0.0,
        "expected_high": 0.0,
        "usual": 0.855,
        "first_attempts": False,
        "p50_ms": None,
        "p90_ms": None,
        "usual_p50_ms": None,
        "usual_p90_ms": None,
        "waiting": 0,
        "late_ms": 0,
    }
    assert shown == {
        "id": alerts[0].id,
        "kind": "conversion_fell",
        "label": "acme in DE",
        "slice": {"country": "DE", "provider": "acme"},
        "severity": "warning",
        "state": "open",
        "since": NOW - MINUTE,
        "since_low": NOW - 2 * MINUTE,
        "since_high": NOW,
        "found_at": NOW,
        "updated_at": NOW,
        "resolved_at": None,
        "changed_at": NOW,
        "changed_by": "",
        "snoozed_until": None,
        "note": "",
    }
    lasting, resolved = (alert.id for alert in alerts)
    assert ids(own.get(PATH, params={"state": "resolved"})) == [resolved]
    every = sorted([lasting, resolved], reverse=True)
    assert ids(own.get(PATH, params={"state": "open,resolved"})) == every
    assert ids(own.get(PATH, params={"state": "open,resolved", "limit": 1})) == every[:1]
    assert ids(own.get(PATH, params={"state": "open,resolved", "before": every[0]})) == every[1:]


def test_an_alert_is_acknowledged_and_snoozed_by_name(
    own: httpx.Client, kept: AlertStore, key: AccessKey, alerts: list[Alert], server: LocalServer
) -> None:
    lasting, resolved = alerts
    answered = own.post(f"{PATH}/{lasting.id}/acknowledge", json={"note": "acme is on it"}).json()
    assert (answered["state"], answered["changed_by"]) == ("acknowledged", key.display_name)
    assert answered["note"] == "acme is on it"
    before = time.time_ns() // 1_000_000
    snoozed = own.post(f"{PATH}/{lasting.id}/snooze", json={"for_ms": 7_200_000}).json()
    assert snoozed["state"] == "snoozed"
    assert 0 <= snoozed["snoozed_until"] - 7_200_000 - before < 60_000
    exactly = own.post(f"{PATH}/{lasting.id}/snooze", json={"until": before + 60_000, "note": "later"})
    assert exactly.json()["snoozed_until"] == before + 60_000
    assert own.post(f"{PATH}/{lasting.id}/acknowledge").json()["state"] == "acknowledged"
    assert own.post(f"{PATH}/{resolved.id}/acknowledge").json()["state"] == "resolved"
    happened = [(event.happening, event.by) for event in kept.history(key.account, lasting.id)]
    assert happened[1:] == [
        (what, key.display_name) for what in ("acknowledged", "snoozed", "snoozed", "acknowledged")
    ]
    subjects = [line.get("subject") for line in audited(server.data)]
    assert subjects.count(f"alert {lasting.id}") == 4


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("acknowledge", {"note": "two\nlines"}, "one line"),
        ("acknowledge", {"note": "x" * 1_001}, "note"),
        ("acknowledge", {"for_ms": 1}, "for_ms"),
        ("snooze", {}, "either until or for_ms"),
        ("snooze", {"for_ms": 1, "until": "2100-01-01"}, "either until or for_ms"),
        ("snooze", {"for_ms": 0}, "next 90 days"),
        ("snooze", {"for_ms": 10**15}, "next 90 days"),
        ("snooze", {"for_ms": 10**25}, "next 90 days"),
        ("snooze", {"until": "yesterday"}, "next 90 days"),
        ("snooze", {"until": "2100-01-01"}, "next 90 days"),
        ("snooze", {"until": "some day"}, "until"),
    ],
)
def test_a_malformed_answer_is_refused_in_words(
    own: httpx.Client, alerts: list[Alert], path: str, body: object, words: str
) -> None:
    answer = own.post(f"{PATH}/{alerts[0].id}/{path}", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert words in answer.json()["detail"]


def test_an_unknown_alert_and_a_malformed_question_are_refused(
    own: httpx.Client, native: httpx.Client, alerts: list[Alert]
) -> None:
    for unknown in ("999999999", "first", "9" * 30):
        assert own.post(f"{PATH}/{unknown}/acknowledge").status_code == 404
    assert native.post(f"{PATH}/{alerts[0].id}/acknowledge").status_code == 404  # another account's
    assert ids(native.get(PATH)) == []
    for query in ("state=", "state=shut", "limit=0", "limit=201", "before=x", "state=open&state=open", "a=1"):
        assert own.get(f"{PATH}?{query}").status_code == 400, query


def test_alerts_need_actions(
    make_key: Callable[..., AccessKey], server: LocalServer, alerts: list[Alert]
) -> None:
    reader, reporter = make_key("OtpconvReadOnly"), make_key("OtpconvReportOnly")
    with httpx.Client(base_url=server.url) as client:
        assert client.get(PATH).status_code == 401
        for key, read in ((reader, 200), (reporter, 403)):
            auth = (key.access_key_id, key.secret)
            assert client.get(PATH, auth=auth).status_code == read
            for what in ("acknowledge", "snooze"):
                refused = client.post(f"{PATH}/{alerts[0].id}/{what}", auth=auth)
                assert refused.status_code == 403
                assert "otpconv:ManageAlerts" in refused.json()["detail"]


def test_alerts_are_answered_by_command(at: Run, alerts: list[Alert]) -> None:
    lasting, resolved = (str(alert.id) for alert in alerts)
    table = at("alerts", "list", "--tz", "Europe/Berlin").stdout
    assert "acme in DE" in table
    assert "conversion_fell" in table
    assert json.loads(at("alerts", "list", "--state", "resolved", "--json").stdout)[0]["id"] == int(resolved)
    told = at("alerts", "acknowledge", lasting, "--note", "acme is on it")
    assert told.stdout == f"alert {lasting}, acme in DE, is acknowledged\n"
    snoozed = json.loads(at("alerts", "snooze", lasting, "--for", "2h", "--json").stdout)
    assert snoozed["state"] == "snoozed"
    assert at("alerts", "snooze", resolved, "--for", "90 min").stdout.endswith("is resolved already\n")
    for words in (
        ("acknowledge", "999999999"),
        ("snooze", lasting, "--for", "2h ago"),
        ("list", "--state", "x"),
    ):
        refused = at("alerts", *words)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), words
    assert at("alerts", "snooze", lasting).returncode == 2
