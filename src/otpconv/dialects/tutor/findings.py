"""What a diagnosis consists of, and the findings that are the same for every vendor."""

from typing import Literal

from msgspec import Struct

from otpconv.clock import duration, iso_8601
from otpconv.dialects.tutor.request import Step

State = Literal["good", "bad", "unsure"]

_MINUTE_MS = 60_000
_HALF_HOUR_MS = 30 * _MINUTE_MS
#: How far from a whole half hour a clock with only a wrong time zone may be, ms.
_ZONE_MS = 5 * _MINUTE_MS


class Finding(Struct, frozen=True):
    """The result of one check.

    Attributes:
        subject: the checked part.
        state: whether it is right; `unsure` if that depends on when the request was sent.
        text: the finding.
        remedy: what to do; empty if there is nothing to do.
    """

    subject: str
    state: State
    text: str
    remedy: str = ""


class Diagnosis(Struct, frozen=True):
    """The diagnosis of a request.

    Attributes:
        findings: the results, in the order of the server's checks, up to the first that stops the server.
        signed: what the server signs for this request, to compare with the client's text.
        has_secret: whether the request may have the secret itself, so that no page shows it again.
    """

    findings: tuple[Finding, ...]
    signed: tuple[Step, ...] = ()
    has_secret: bool = False

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.state == "good" for finding in self.findings)


def time_finding(signed_at: int, now: int, window_ms: int) -> Finding:
    """Return whether the time of a signature is accepted; all times in ms UTC."""
    ahead_ms = signed_at - now
    length = duration(abs(ahead_ms))
    if abs(ahead_ms) <= window_ms:
        return Finding("Time", "good", f"It was signed {length} {'ahead' if ahead_ms > 0 else 'ago'}.")
    minutes = window_ms // _MINUTE_MS
    off_zone_ms = abs(ahead_ms - round(ahead_ms / _HALF_HOUR_MS) * _HALF_HOUR_MS)
    if ahead_ms > 0:
        zone = " It looks like a local time written as UTC." if off_zone_ms <= _ZONE_MS else ""
        return Finding(
            "Time",
            "bad",
            f"It was signed {length} in the future: the server's time is {iso_8601(now)} (UTC), and the "
            f"request says {iso_8601(signed_at)}. Up to {minutes} minutes are accepted.{zone}",
            "Write the time in UTC, and set the clock, e.g. by NTP.",
        )
    return Finding(
        "Time",
        "unsure",
        f"It was signed {length} ago: the server's time is {iso_8601(now)} (UTC), and the request says "
        f"{iso_8601(signed_at)}. Up to {minutes} minutes are accepted, counted when it arrives.",
        "If you have just sent it, the time is not UTC or the clock is wrong. Otherwise sign it again.",
    )


def nonce_finding(used: bool, now: int) -> Finding:  # noqa: FBT001 - the finding
    """Return whether a nonce was used before."""
    if used:
        return Finding(
            "Nonce",
            "bad",
            "A request with this nonce was accepted before: this very one, or another with the same nonce. "
            f"The server's time is {iso_8601(now)} (UTC).",
            "Sign every request and every retry again, with a new nonce.",
        )
    return Finding("Nonce", "good", "No request with this nonce was accepted lately.")
