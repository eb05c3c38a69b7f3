"""What people read of alerts: short, plain, without phone numbers; pure."""

import re
from datetime import UTC, datetime
from typing import Final, Literal

from otpconv.alerts.showing import words
from otpconv.alerts.showing.words import TITLES
from otpconv.notifications.message import Item, Message
from otpconv.storage.alerts.contract import Alert, Found, Kind

#: How a service reads text: as it is, or as Markdown.
Style = Literal["text", "markdown"]

#: Alerts that a notification describes; further ones are counted.
MAX_SHOWN: Final = 20
#: Characters of a value of a dimension.
_VALUE_CHARS: Final = 40
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>~|#])")

#: What to do.
ADVICE: Final[dict[Kind, str]] = {
    "conversion_fell": "Send by another provider, and send the vendor the ticket text of the alert.",
    "reporter_stopped": "Check the application: does it still report, and is its access key valid?",
    "nothing_sent": "Check the application that sends, and the connection to the provider.",
    "slower": "Ask the vendor about delays of delivery, and watch the conversion rate.",
    "volume": "Check for SMS pumping: look at the number ranges, and limit sends to each number.",
    "codes_entered": "Check whether users or the route itself enter the codes, before paying for them.",
    "reports_late": "Check what waits in the application: otpconv spool status, or the lag of its consumer.",
    "relay_behind": "Check the vendor account: otpconv relay status",
    "dead_letters": "Look at the reasons: otpconv relay dead-letters",
}
_NEWS: Final = {
    "opened": "new",
    "worse": "now critical",
    "woken": "no longer snoozed",
    "lasting": "still lasts",
    "resolved": "resolved",
}


def label(found: Found) -> str:
    """Return the name of the slice of an alert, for people."""
    return words.label_of(tuple((name, value[:_VALUE_CHARS]) for name, value in found.values))


def title(message: Message) -> str:
    """Return the title of a notification, one line."""
    if message.test:
        return "otpconv: test notification"
    if len(message.items) == 1:
        item = message.items[0]
        found = item.alert.found
        mark = "Resolved: " if item.kind == "resolved" else "Critical: " * (found.severity == "critical")
        return f"{mark}{TITLES[found.kind]}, {label(found)}"
    lasting = sum(item.kind != "resolved" for item in message.items)
    resolved = len(message.items) - lasting
    parts = [f"{lasting} alerts" if lasting != 1 else "1 alert"] * bool(lasting)
    parts += [f"{resolved} resolved"] * bool(resolved)
    return f"otpconv: {', '.join(parts) or 'alerts that are forgotten'}"


def body(message: Message, style: Style, public_url: str | None) -> str:
    """Return the text of a notification.

    Args:
        message: the notification.
        style: how the service reads it.
        public_url: what links to alerts begin with, without a slash at the end; None: there are no links.
    """
    if message.test:
        lines = [
            "This is a test. Alerts of this account will look like this, with what happened and what to do."
        ]
    else:
        lines = []
        for item in message.items[:MAX_SHOWN]:
            lines += [*_described(item, public_url), ""]
        if (more := len(message.items) - MAX_SHOWN) > 0:
            lines += [f"And {more} more.", ""]
    lines.append(f"Notification {message.key}")
    if style == "markdown":
        # A plain line break is none in Markdown.
        return "\n\n".join(_escaped(line) for line in lines if line)
    return "\n".join(lines)


def summary(alert: Alert) -> str:
    """Return what an alert says, in one line."""
    return f"{TITLES[alert.found.kind]}: {label(alert.found)}. {words.summary(alert)}"


def _described(item: Item, public_url: str | None) -> list[str]:
    alert = item.alert
    found = alert.found
    news = ", ".join(_NEWS[kind] for kind in item.kinds)
    lines = [
        f"{TITLES[found.kind]}: {label(found)} ({found.severity}; {news})",
        words.summary(alert),
        f"Since {_time(found.since)}" + (f" until {_time(alert.resolved_at)}" if alert.resolved_at else ""),
    ]
    if item.kind != "resolved":
        lines.append(ADVICE[found.kind])
    if public_url is not None:
        lines.append(f"{public_url}/alerts/{alert.id}")
    return lines


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _escaped(line: str) -> str:
    """Return a line in which nothing is Markdown; a link stays one."""
    return line if line.startswith(("http://", "https://")) else _MARKDOWN.sub(r"\\\1", line)
