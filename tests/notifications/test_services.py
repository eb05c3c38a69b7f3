"""What chat and paging services get, from apprise's own requests."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from campaigns import parameters
from notifications.found import HOUR, NOW, alert, target
from notifications.intercepted import Intercepted
from otpconv.delivery.transport import DELIVERED, Fate, Outcome
from otpconv.notifications.apprise_wire import AppriseWire
from otpconv.notifications.message import Item, Message
from otpconv.notifications.text import MAX_SHOWN

OPENED = Message("ntf_1", [Item(alert(7), ("opened",), NOW)])
_SECRET = "SECa1b2c3"  # noqa: S105 - of nobody
_TEAMS = "prod-1.westeurope.logic.azure.com"


class Case(NamedTuple):
    """A service: its URL for apprise, and where in the request the text is."""

    url: str
    host: str
    path: str
    text: tuple[str | int, ...]
    status: int = 200


CASES = {
    "slack": Case(
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts",
        "hooks.slack.com",
        "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        ("attachments", 0, "text"),
    ),
    "teams": Case(
        f"workflows://{_TEAMS}:443/643e69f83c8944438d68119179a10a64/kTxB7fYQyN8m/",
        _TEAMS,
        "/workflows/643e69f83c8944438d68119179a10a64/triggers/manual/paths/invoke",
        ("attachments", 0, "content", "body", 1, "text"),
        202,
    ),
    "telegram": Case(
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
        "api.telegram.org",
        "/bot123456789:abcdefg_hijklmnop/sendMessage",
        ("text",),
    ),
    "dingtalk": Case(
        f"dingtalk://{_SECRET}@abcdef123456/", "oapi.dingtalk.com", "/robot/send", ("text", "content")
    ),
    "feishu": Case(
        "feishu://abcdef123456/",
        "open.feishu.cn",
        "/open-apis/bot/v2/hook/abcdef123456/",
        ("content", "text"),
    ),
    "pagerduty": Case(
        "pagerduty://IntegrationKey1@ApiKey1/otpconv/otp/",
        "events.pagerduty.com",
        "/v2/enqueue",
        ("payload", "summary"),
        202,
    ),
}


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Intercepted]:
    with Intercepted(tmp_path, [case.host for case in CASES.values()]) as services:
        for name, value in services.environment.items():
            monkeypatch.setenv(name, value)
        yield services


def notify(url: str, message: Message) -> Outcome:
    return AppriseWire(target(kind="apprise", secrets={"url": url}), "https://otp.example").send(message, NOW)


@pytest.mark.parametrize("service", parameters([*CASES], ["dingtalk"], "a process of apprise for each"))
def test_a_service_gets_a_text_that_says_all(services: Intercepted, service: str) -> None:
    case = CASES[service]
    services.status = case.status
    services.answer = "ok" if service == "slack" else services.answer
    assert notify(case.url, OPENED) == DELIVERED
    (posted,) = services.posted
    assert (posted.host.removesuffix(":443"), urlsplit(posted.path).path) == (case.host, case.path)
    text = posted.body
    for step in case.text:
        text = text[step]  # type: ignore[index]
    assert "Conversion fell: acme in DE" in text
    assert "https://otp.example/alerts/7" in text
    assert "ntf_1" in str(text).replace("\\", "")
    if service == "dingtalk":
        query = {name: values[0] for name, values in parse_qs(urlsplit(posted.path).query).items()}
        signed = f"{query['timestamp']}\n{_SECRET}".encode()
        sign = base64.b64encode(hmac.digest(_SECRET.encode(), signed, hashlib.sha256)).decode()
        assert query["sign"] == sign


@pytest.mark.campaign("two processes of apprise")
def test_an_incident_is_resolved_with_its_alert(services: Intercepted) -> None:
    services.status = 202
    resolved = alert(7, state="resolved", resolved_at=NOW + HOUR)
    for message in (OPENED, Message("ntf_2", [Item(resolved, ("resolved",), NOW)])):
        assert notify(CASES["pagerduty"].url, message) == DELIVERED
    assert [(posted.body["event_action"], posted.body["dedup_key"]) for posted in services.posted] == [
        ("trigger", "otpconv-7"),
        ("resolve", "otpconv-7"),
    ]


@pytest.mark.campaign("a process of apprise for each")
@pytest.mark.parametrize(("service", "field"), [("dingtalk", "errcode"), ("feishu", "code")])
def test_a_service_that_refuses_with_status_200_did_not_take_it(
    services: Intercepted, service: str, field: str
) -> None:
    services.answer = json.dumps({field: 310000, "errmsg": "no", "msg": "no"})
    outcome = notify(CASES[service].url, OPENED)
    assert outcome.fate is Fate.FAILED
    assert "310000" in outcome.reason


@pytest.mark.campaign("two processes of apprise")
def test_many_alerts_fit_into_what_a_service_takes(services: Intercepted) -> None:
    many = Message("ntf_1", [Item(alert(number), ("opened",), NOW) for number in range(1, MAX_SHOWN + 1)])
    assert notify(CASES["telegram"].url, many) == DELIVERED
    texts = [posted.body["text"] for posted in services.posted]
    assert len(texts) > 1
    assert max(map(len, texts)) <= 4_096
    for number in range(1, MAX_SHOWN + 1):
        assert any(f"https://otp.example/alerts/{number}" in text.split() for text in texts), number
    services.posted.clear()
    services.status = 202
    assert notify(CASES["pagerduty"].url, many) == DELIVERED
    (posted,) = services.posted
    assert len(posted.body["payload"]["summary"]) <= 1_024
