"""Alertmanager's API, version 2: `POST /api/v2/alerts`.

Alertmanager knows an alert by its labels, so a repeat changes nothing. It decides itself about grouping,
silences and whom to notify. Source: its OpenAPI document, api/v2/openapi.yaml.
"""

from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from otpconv.access.alert_targets import AlertTarget
from otpconv.alerts.showing import words
from otpconv.clock import iso_8601
from otpconv.delivery.transport import Outcome
from otpconv.notifications.calling import post
from otpconv.notifications.message import Item, Message
from otpconv.notifications.routing import RESEND_MS
from otpconv.notifications.text import ADVICE, label, summary
from otpconv.notifications.webhook import AUTHORIZATION, ENDPOINT
from otpconv.storage.alerts.contract import Severity

_PATH: Final = "/api/v2/alerts"
#: After how many missing resends Alertmanager takes an alert for resolved, as Prometheus does it.
_MISSED: Final = 4


class AlertmanagerWire:
    """See `Wire`.

    Args:
        target: of the kind `alertmanager`.
        public_url: what links to alerts begin with; None: there are no links.
    """

    def __init__(self, target: AlertTarget, public_url: str | None) -> None:
        self._target = target
        self._public_url = public_url

    def send(self, message: Message, now: int) -> Outcome:
        """See `Wire.send`. The state is the one that the alerts have now, so that late news do no harm."""
        alerts = []
        for item in message.items:
            alerts.append(self._alert(item, item.alert.found.severity, now))
            if "worse" in item.kinds:  # under its labels before, it has ended
                alerts.append(self._alert(item, "warning", now, ended=True))
        if message.test:
            alerts = [_test(now)]
        url = urlsplit(self._target.settings[ENDPOINT])
        headers = {"content-type": "application/json"}
        if authorization := self._target.secrets.get(AUTHORIZATION):
            headers["authorization"] = authorization
        return post(url, url.path.rstrip("/") + _PATH, headers, msgspec.json.encode(alerts), now)

    def _alert(self, item: Item, severity: Severity, now: int, *, ended: bool = False) -> dict[str, Any]:
        alert, found = item.alert, item.alert.found
        labels = {name: value or "unknown" for name, value in found.values}
        labels |= {
            "alertname": "Otpconv" + "".join(map(str.title, found.kind.split("_"))),
            "kind": found.kind,
            "severity": severity,
            "account": str(alert.account),
            "otpconv_alert": str(alert.id),
        }
        annotations = {
            "summary": summary(alert),
            "description": f"{words.summary(alert)} {ADVICE[found.kind]}",
            "slice": label(found),
            "state": alert.state,
        }
        if alert.changed_by:
            annotations["changed_by"] = alert.changed_by
        start = min(found.since, alert.found_at)
        end = now if ended else now + _MISSED * RESEND_MS if alert.resolved_at is None else alert.resolved_at
        described: dict[str, Any] = {
            "labels": labels,
            "annotations": annotations,
            "startsAt": iso_8601(start, exact=True),
            "endsAt": iso_8601(max(start, end), exact=True),
        }
        if self._public_url is not None:
            described["generatorURL"] = f"{self._public_url}/alerts/{alert.id}"
        return described


def _test(now: int) -> dict[str, Any]:
    return {
        "labels": {"alertname": "OtpconvTest", "severity": "warning"},
        "annotations": {"summary": "A test of otpconv; it resolves within a minute."},
        "startsAt": iso_8601(now, exact=True),
        "endsAt": iso_8601(now + RESEND_MS, exact=True),
    }
