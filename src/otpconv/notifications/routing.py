"""Which target gets what of an alert, and when; pure."""

from otpconv.access.alert_targets import AlertTarget, Rules
from otpconv.notifications.quiet import next_quiet, quiet_until
from otpconv.storage.alerts.contract import Alert, Found

#: How often Alertmanager gets to know that an alert lasts, ms. If it hears nothing for four times as long, it
#: takes the alert for resolved.
RESEND_MS = 60_000


def wants(rules: Rules, found: Found) -> bool:
    """Return whether the rules of a target let it have an alert.

    An alert that does not name a dimension of the rules, e.g. one about a whole provider where they name
    countries, is not wanted.
    """
    values = dict(found.values)
    return (
        (not rules.kinds or found.kind in rules.kinds)
        and (rules.severity == "warning" or found.severity == "critical")
        and all(values.get(dimension) in allowed for dimension, allowed in rules.slices.items())
    )


def repeat_ms(target: AlertTarget) -> int:
    """Return after how long a target gets to know again that an alert lasts, ms; 0: never."""
    return RESEND_MS if target.kind == "alertmanager" else target.rules.repeat_ms


def is_repeated(target: AlertTarget, alert: Alert) -> bool:
    """Return whether a target is to know again that an alert lasts, in the state that it has.

    Alertmanager decides for itself whom it bothers, so that it has to know of all that last.
    """
    return alert.state == "open" or (target.kind == "alertmanager" and alert.state != "resolved")


def is_urgent(rules: Rules, found: Found) -> bool:
    """Return whether news of an alert do not wait for the end of quiet hours."""
    return rules.quiet is None or (found.severity == "critical" and not rules.quiet.critical)


def grouped(rules: Rules, found: Found, now: int) -> tuple[str, int]:
    """Return the group of news that come at `now`, ms; empty if they are alone; and when it is due, ms."""
    urgent = is_urgent(rules, found)
    if rules.quiet is not None and not urgent and (until := quiet_until(rules.quiet, now)) is not None:
        return "quiet", until
    if rules.group == "off":
        return "", now
    due_at = now + rules.group_ms
    if rules.quiet is not None and not urgent:
        due_at = min(due_at, next_quiet(rules.quiet, now))
    of = found.kind if rules.group == "kind" else "all"
    return f"{of} urgent" if urgent and rules.quiet is not None else of, due_at


def not_before(rules: Rules, now: int, *, urgent: bool) -> int:
    """Return when something may be sent that was to be sent at `now`, ms."""
    if rules.quiet is None or urgent:
        return now
    until = quiet_until(rules.quiet, now)
    return now if until is None else until
