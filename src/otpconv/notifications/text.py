"""What people read of alerts: short, plain, without phone numbers; pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal

from otpconv.notifications.message import Item, Message
from otpconv.rates.slices import Slice
from otpconv.storage.alerts.contract import Evidence, Found, Kind

#: How a service reads text: as it is, or as Markdown.
Style = Literal["text", "markdown"]

#: Alerts that a notification describes; further ones are counted.
MAX_SHOWN: Final = 20
#: Characters of a value of a dimension.
_VALUE_CHARS: Final = 40
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>~|#])")
_SECOND_MS, _MINUTE_MS, _HOUR_MS, _DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000

#: What each kind of alert says.
TITLES: Final[dict[Kind, str]] = {
    "conversion_fell": "Conversion fell",
    "reporter_stopped": "Nobody reports conversions",
    "nothing_sent": "Messages are missing",
    "slower": "Codes are entered later",
    "volume": "Unusually many messages",
    "codes_entered": "Codes are entered suspiciously",
    "reports_late": "Reports arrive late",
    "relay_behind": "Feedbacks are late",
    "dead_letters": "The vendor refuses feedbacks",
}
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
    values = dict(found.values)
    if "vendor" in values:
        return f"vendor account {values['vendor'][:_VALUE_CHARS]}"
    return Slice(tuple((name, value[:_VALUE_CHARS]) for name, value in found.values)).label


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


def summary(item: Item) -> str:
    """Return what an alert says, in one line."""
    found = item.alert.found
    return f"{TITLES[found.kind]}: {label(found)}. {seen(found)}"


def seen(found: Found) -> str:
    """Return the expected and the actual numbers, in a sentence."""
    return _SEEN[found.kind](found.evidence)


def _described(item: Item, public_url: str | None) -> list[str]:
    alert = item.alert
    found = alert.found
    news = ", ".join(_NEWS[kind] for kind in item.kinds)
    lines = [
        f"{TITLES[found.kind]}: {label(found)} ({found.severity}; {news})",
        seen(found),
        f"Since {_time(found.since)}" + (f" until {_time(alert.resolved_at)}" if alert.resolved_at else ""),
    ]
    if item.kind != "resolved":
        lines.append(ADVICE[found.kind])
    if public_url is not None:
        lines.append(f"{public_url}/alerts/{alert.id}")
    return lines


def _conversion(evidence: Evidence) -> str:
    usual = f", {_percent(evidence.usual)} are usual" if evidence.usual is not None else ""
    of = "first attempts" if evidence.first_attempts else "messages"
    rate = evidence.verified / evidence.requested if evidence.requested else 0.0
    return f"{evidence.verified:,} of {evidence.requested:,} {of} verified ({_percent(rate)}{usual})."


def _reports(evidence: Evidence) -> str:
    late = f" The last report came {_span(evidence.late_ms)} before." if evidence.late_ms else ""
    return (
        f"{evidence.requested:,} messages, about {evidence.expected:,.0f} reports expected, none came.{late}"
    )


def _messages(evidence: Evidence) -> str:
    return f"{evidence.requested:,} messages, about {evidence.expected:,.0f} expected{_band(evidence)}."


def _delays(evidence: Evidence) -> str:
    parts = [
        f"{name} {_span(now)}, usually {_span(usual)}"
        for name, now, usual in (
            ("Half of the codes are entered within", evidence.p50_ms, evidence.usual_p50_ms),
            ("nine in ten within", evidence.p90_ms, evidence.usual_p90_ms),
        )
        if now is not None and usual is not None
    ]
    return f"{'; '.join(parts)}." if parts else f"{evidence.requested:,} messages."


def _entered(evidence: Evidence) -> str:
    return (
        f"{evidence.verified:,} of {evidence.requested:,} messages verified, about {evidence.expected:,.0f}"
        f" expected{_band(evidence)}."
    )


def _late(evidence: Evidence) -> str:
    late = _span(evidence.late_ms)
    return f"{evidence.waiting:,} reports came late, the newest by {late}. Rates are not complete yet."


def _behind(evidence: Evidence) -> str:
    return f"{evidence.waiting:,} feedbacks wait, the oldest for {_span(evidence.late_ms)}."


def _letters(evidence: Evidence) -> str:
    return f"{evidence.waiting:,} dead letters."


_SEEN: Final[dict[Kind, Callable[[Evidence], str]]] = {
    "conversion_fell": _conversion,
    "reporter_stopped": _reports,
    "nothing_sent": _messages,
    "slower": _delays,
    "volume": _messages,
    "codes_entered": _entered,
    "reports_late": _late,
    "relay_behind": _behind,
    "dead_letters": _letters,
}


def _band(evidence: Evidence) -> str:
    if evidence.expected_high <= 0:
        return ""
    return f" ({evidence.expected_low:,.0f} to {evidence.expected_high:,.0f})"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _span(ms: int) -> str:
    for unit, name in ((_DAY_MS, "d"), (_HOUR_MS, "h"), (_MINUTE_MS, "min")):
        if ms >= 2 * unit:
            return f"{ms / unit:.0f} {name}"
    return f"{ms / _SECOND_MS:.0f} s"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _escaped(line: str) -> str:
    """Return a line in which nothing is Markdown; a link stays one."""
    return line if line.startswith(("http://", "https://")) else _MARKDOWN.sub(r"\\\1", line)
