"""Lets the detectors of a real server look at the demo's traffic, as they would have while it happened."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otpconv.config import Settings

_MINUTE_MS: Final = 60_000
#: How long before now the detectors begin, ms: they learn first, and then see all that fails.
_WATCHED_MS: Final = 4 * 60 * _MINUTE_MS


def look_back(settings: "Settings", now: int) -> None:
    """Look at each minute of the last hours, and record what the detectors find.

    The follower of the server goes on where this ends.

    Args:
        settings: name the data folder.
        now: the end of the traffic, ms.
    """
    from otpconv.service.alerting_process import opened_follower

    at = now - _WATCHED_MS
    with opened_follower(settings, lambda: at) as follower:
        while at < now:
            follower.step()
            at = min(now, at + _MINUTE_MS)
        follower.step()
