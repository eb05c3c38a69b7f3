"""What each kind of target gets, at real receivers."""

from pathlib import Path

import pytest

from faults.bad_server import hang, http, saying
from notifications.found import NOW, alert, found, target
from notifications.receivers import SIGNING_SECRET, Hook, Mail, alertmanager, firing
from otpconv.clock import wall_clock
from otpconv.delivery.transport import DELIVERED, Fate
from otpconv.notifications import calling
from otpconv.notifications.alertmanager import AlertmanagerWire
from otpconv.notifications.apprise_wire import AppriseWire, check_url
from otpconv.notifications.message import Item, Message
from otpconv.notifications.webhook import WebhookWire

OPENED = Message("ntf_1", [Item(alert(7), ("opened",), NOW)])


def webhook(url: str) -> WebhookWire:
    of = target(settings={"endpoint": f"{url}/in?team=1"}, secrets={"signing_secret": SIGNING_SECRET})
    return WebhookWire(of, "https://otp.example")


def test_a_webhook_is_signed_and_says_all_that_is_known() -> None:
    with Hook() as hook:
        assert webhook(hook.url).send(OPENED, NOW) == DELIVERED
        (body,) = hook.bodies()
        assert hook.heard[0].target == "/in?team=1"
    (news,) = body["alerts"]
    assert (news["id"], news["news"], news["kind"], news["state"]) == (
        7,
        ["opened"],
        "conversion_fell",
        "open",
    )
    assert news["values"] == {"country": "DE", "provider": "acme"}
    assert news["evidence"]["requested"] == 120
    assert news["url"] == "https://otp.example/alerts/7"


def test_a_webhook_that_does_not_take_it_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "DEADLINE_MS", 300)
    with Hook() as hook:
        hook.answer = saying(http(500, {}, "retry-after: 7"))
        failed = webhook(hook.url).send(OPENED, NOW)
        assert (failed.fate, failed.wait_ms, failed.reason) == (Fate.FAILED, 7_000, "it answered HTTP 500")
        hook.answer = saying(http(302, {}, "location: http://127.0.0.1:1/"))
        assert webhook(hook.url).send(OPENED, NOW).fate is not Fate.DELIVERED
        hook.answer = hang
        assert webhook(hook.url).send(OPENED, NOW).reason == "no answer in time"
        hook.stop()
        assert webhook(hook.url).send(OPENED, NOW).fate is Fate.FAILED


def test_alertmanager_shows_an_alert_while_it_lasts(tmp_path: Path) -> None:
    with alertmanager(tmp_path) as url:
        now = wall_clock()
        wire = AlertmanagerWire(
            target(kind="alertmanager", settings={"endpoint": f"{url}/"}, secrets={}), None
        )
        worse = alert(7, found=found(severity="critical", since=now - 60_000), found_at=now, updated_at=now)
        before = alert(7, found=found(since=now - 60_000), found_at=now, updated_at=now)
        assert wire.send(Message("ntf_1", [Item(before, ("opened",), now)]), now) == DELIVERED
        assert firing(url)[7]["labels"]["severity"] == "warning"
        assert wire.send(Message("ntf_2", [Item(worse, ("worse",), now)]), now) == DELIVERED
        assert firing(url)[7]["labels"] == {
            "alertname": "OtpconvConversionFell",
            "account": "1",
            "country": "DE",
            "kind": "conversion_fell",
            "otpconv_alert": "7",
            "provider": "acme",
            "severity": "critical",
        }
        ended = alert(7, found=worse.found, state="resolved", resolved_at=now)
        assert wire.send(Message("ntf_3", [Item(ended, ("resolved",), now)]), now) == DELIVERED
        assert firing(url) == {}
        assert wire.send(Message("ntf_4", (), test=True), now) == DELIVERED


def test_a_mail_is_plain_text_with_the_id_of_the_notification() -> None:
    with Mail() as mail:
        wire = AppriseWire(target(kind="apprise", secrets={"url": mail.url}), "https://otp.example")
        assert wire.send(OPENED, NOW) == DELIVERED
        (taken,) = mail.taken
    assert (taken["Subject"], taken["To"]) == ("Conversion fell, acme in DE", "oncall@example.com")
    assert taken["X-Notification-Id"] == "ntf_1"
    assert taken.get_content_type() == "text/plain"
    assert "https://otp.example/alerts/7" in taken.get_content().splitlines()


@pytest.mark.campaign("a process of apprise; the API's test has another error")
def test_an_error_of_a_service_has_no_secret() -> None:
    url = "mailto://user:s3cret-Key@127.0.0.1:1/?from=a@example.com&to=oncall@example.com"
    outcome = AppriseWire(target(kind="apprise", secrets={"url": url}), None).send(OPENED, NOW)
    assert outcome.fate is Fate.FAILED
    assert outcome.reason
    assert "s3cret" not in outcome.reason
    assert "oncall" not in outcome.reason


@pytest.mark.campaign("each takes a process, and the rule is one: a list of what is allowed")
@pytest.mark.parametrize(
    "url",
    [
        "syslog://",
        "dbus://",
        "json://127.0.0.1/",
        "file:///etc/passwd",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template=/etc/passwd",
        "mailto://a:b@example.com/?pgppub=/etc/passwd",
        "mailto://a:b@example.com/?+Bcc=x@example.com",
        "ntfy://host/topic?attach=file:///etc/passwd",
        "tgram://",
        "http://127.0.0.1/",
        "",
    ],
)
def test_what_reaches_files_or_programs_is_refused(url: str) -> None:
    assert check_url(url)


@pytest.mark.campaign("two processes of apprise; the API's tests have one")
def test_a_url_of_a_service_can_be_used() -> None:
    assert not check_url("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts")
    assert "template can't be used" in check_url(
        "tgram://123456789:abcdefg_hijklmnop/12315544/?template=/etc/x"
    )
