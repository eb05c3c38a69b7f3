"""What people read of alerts, in each style."""

from typing import get_args

import pytest

from notifications.found import NOW, alert, found
from otpconv.notifications.message import Item, Message, items_of
from otpconv.notifications.text import MAX_SHOWN, body, summary, title
from otpconv.storage.alerts.contract import Evidence, Kind
from otpconv.storage.notifications.contract import Told


def one(kind: Kind = "conversion_fell", **fields: object) -> Message:
    item = Item(alert(7, found=found(kind, **fields)), ("opened",), NOW)  # type: ignore[arg-type]
    return Message("ntf_1", [item])


def test_an_alert_says_what_where_since_when_expected_and_seen_and_what_to_do() -> None:
    text = body(one(), "text", "https://otp.example")
    assert text.splitlines() == [
        "Conversion fell: acme in DE (warning; new)",
        "61 of 120 first attempts were verified (50.8%); 102 were expected.",
        "Since 2027-01-15 00:00 UTC",
        "Send by another provider, and send the vendor the ticket text of the alert.",
        "https://otp.example/alerts/7",
        "",
        "Notification ntf_1",
    ]
    assert title(one()) == "Conversion fell, acme in DE"
    assert title(one(severity="critical")) == "Critical: Conversion fell, acme in DE"
    assert "://" not in body(one(), "text", None)


def test_markdown_in_a_value_stays_text() -> None:
    text = body(one(values=(("provider", "t_mobile*[x](y)"),)), "markdown", "https://otp.example")
    assert "t\\_mobile\\*\\[x\\](y)" in text
    assert "\n\nhttps://otp.example/alerts/7\n\n" in text


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_of_alert_has_a_text(kind: Kind) -> None:
    text = summary(one(kind).items[0].alert)
    assert text.endswith(".")
    assert len(text) < 200


def test_a_vendor_account_and_a_delay_are_named() -> None:
    late = alert(found=found("relay_behind", (("vendor", "ali"),)))
    assert summary(late).startswith("Relay is behind: vendor account ali.")
    evidence = Evidence(requested=9, p50_ms=40_000, usual_p50_ms=12_000, p90_ms=600_000, usual_p90_ms=90_000)
    slower = found("slower")
    slow = alert(found=type(slower)("slower", (), "warning", NOW, NOW, NOW, evidence))
    assert "within 40 s and 90 % within 10 min; usually 12 s and 1 min 30 s." in summary(slow)


def test_many_alerts_are_counted_and_bounded() -> None:
    items = [
        Item(alert(number), ("opened", "resolved") if number % 2 else ("opened",), NOW)
        for number in range(30)
    ]
    message = Message("ntf_2", items)
    assert title(message) == "otpconv: 15 alerts, 15 resolved"
    assert body(message, "text", None).count("Conversion fell") == MAX_SHOWN
    assert "And 10 more." in body(message, "text", None)


def test_news_of_an_alert_are_one_item_and_those_of_forgotten_alerts_none() -> None:
    news = [Told(1, "opened", 5), Told(2, "opened", 6), Told(1, "worse", 7), Told(1, "resolved", 8)]
    (item,) = items_of(news, [alert(1)])
    assert (item.kinds, item.at, item.kind) == (("opened", "worse", "resolved"), 8, "resolved")
