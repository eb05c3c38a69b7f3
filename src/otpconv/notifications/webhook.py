"""Our own signed webhook: JSON that says all that is known of alerts.

The signature is that of Standard Webhooks (standardwebhooks.com), so its libraries verify it. The header
`webhook-id` is the stable id of the notification.
"""

from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from otpconv.access.alert_targets import AlertTarget
from otpconv.delivery.transport import Outcome
from otpconv.dialects.webhook.signature import sign
from otpconv.notifications.calling import post
from otpconv.notifications.message import Item, Message
from otpconv.notifications.text import ADVICE, body, label, summary, title
from otpconv.storage.alerts.contract import Evidence

ENDPOINT: Final = "endpoint"
SIGNING_SECRET: Final = "signing_secret"  # noqa: S105 - its name
AUTHORIZATION: Final = "authorization"


class AlertNews(Struct):
    """An alert, and what happened to it. Times are ms since the Unix epoch, UTC.

    Attributes:
        id: of the alert.
        news: what happened, in order: opened, worse, woken, lasting, resolved.
        at: when the last of it happened.
        kind, severity, state: of the alert.
        values: the dimensions of its slice; none: all traffic.
        label: the name of the slice, for people.
        since, since_low, since_high: when it began, and the interval, 95 %.
        found_at, resolved_at: null while it lasts.
        evidence: the expected and the actual numbers.
        summary: that in a sentence.
        advice: what to do.
        url: of its page; empty if the server has no public URL.
    """

    id: int
    news: tuple[str, ...]
    at: int
    kind: str
    severity: str
    state: str
    values: dict[str, str]
    label: str
    since: int
    since_low: int
    since_high: int
    found_at: int
    resolved_at: int | None
    evidence: Evidence
    summary: str
    advice: str
    url: str


class WebhookBody(Struct):
    """The body of a request.

    Attributes:
        id: the stable id: a request with the same one is a repeat.
        test: whether somebody only tests the target.
        title: one line.
        text: what people read.
        alerts: one or more; none in a test.
    """

    id: str
    test: bool
    title: str
    text: str
    alerts: list[AlertNews]


class WebhookWire:
    """See `Wire`.

    Args:
        target: of the kind `webhook`.
        public_url: see `text.body`.
    """

    def __init__(self, target: AlertTarget, public_url: str | None) -> None:
        self._target = target
        self._public_url = public_url

    def send(self, message: Message, now: int) -> Outcome:
        """See `Wire.send`."""
        content = msgspec.json.encode(
            WebhookBody(
                message.key,
                message.test,
                title(message),
                body(message, "text", self._public_url),
                [self._news(item) for item in message.items],
            )
        )
        secrets, timestamp = self._target.secrets, now // 1000
        headers = {
            "content-type": "application/json",
            "webhook-id": message.key,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(secrets[SIGNING_SECRET], message.key, timestamp, content),
        }
        if authorization := secrets.get(AUTHORIZATION):
            headers["authorization"] = authorization
        url = urlsplit(self._target.settings[ENDPOINT])
        return post(url, f"{url.path or '/'}{'?' * bool(url.query)}{url.query}", headers, content, now)

    def _news(self, item: Item) -> AlertNews:
        alert, found = item.alert, item.alert.found
        fields: dict[str, Any] = {name: getattr(found, name) for name in ("kind", "severity", "evidence")}
        return AlertNews(
            id=alert.id,
            news=item.kinds,
            at=item.at,
            state=alert.state,
            values=dict(found.values),
            label=label(found),
            since=found.since,
            since_low=found.since_low,
            since_high=found.since_high,
            found_at=alert.found_at,
            resolved_at=alert.resolved_at,
            summary=summary(alert),
            advice=ADVICE[found.kind],
            url=f"{self._public_url}/alerts/{alert.id}" if self._public_url is not None else "",
            **fields,
        )
