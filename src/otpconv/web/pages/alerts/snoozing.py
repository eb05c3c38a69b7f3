"""For how long an alert can be snoozed by the page. Pure."""

from datetime import datetime, timedelta, tzinfo
from typing import Final

from otpconv.errors import InvalidRequest
from otpconv.storage.contract import HOUR_MS

#: The hour of tomorrow at which an alert wakes up, in the zone of the visitor.
_MORNING: Final = 9


def snoozes(now: int, zone: tzinfo) -> dict[str, tuple[str, int]]:
    """Return the choices: a word for the form, the label, and until when (ms).

    Args:
        now: the time now, ms.
        zone: the time zone of the visitor.
    """
    tomorrow = datetime.fromtimestamp(now / 1000, zone).date() + timedelta(days=1)
    morning = datetime(tomorrow.year, tomorrow.month, tomorrow.day, _MORNING, tzinfo=zone)
    return {
        "1h": ("1 hour", now + HOUR_MS),
        "4h": ("4 hours", now + 4 * HOUR_MS),
        "morning": (f"until tomorrow {_MORNING}:00", round(morning.timestamp() * 1000)),
    }


def snooze_until(choice: str, now: int, zone: tzinfo) -> int:
    """Return until when a choice snoozes, ms.

    Raises:
        InvalidRequest: there is no such choice.
    """
    choices = snoozes(now, zone)
    if choice not in choices:
        raise InvalidRequest(f"Invalid time to snooze {choice[:40]!r}. Use {', '.join(choices)}.")
    return choices[choice][1]
