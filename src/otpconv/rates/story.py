"""Says in words what happened to a message, and what to do about it. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, tzinfo
from typing import Final, Literal

from msgspec import Struct

from otpconv.clock import duration, iso_8601
from otpconv.dialects.native.answers import MessageOut
from otpconv.rates.maturity import Maturity
from otpconv.rates.signals import Signal
from otpconv.storage.contract import DIMENSIONS, HOUR_MS, QUARTER_MS

#: - "verified": a conversion counts.
#: - "unmatched": a conversion was reported, but not the message.
#: - "invalid": a conversion was reported, but its time is not later than the request.
#: - "waiting": the message is young, so it may still be verified.
#: - "overdue": it is older than nearly all messages are when they are verified.
MessageStatus = Literal["verified", "unmatched", "invalid", "waiting", "overdue"]
#: What a receipt can say, in the usual order, and what of it means that the message did not arrive.
_STATUSES: Final = ("accepted", "sent", "expired", "rejected", "failed", "delivered")
_NOT_DELIVERED: Final = frozenset({"expired", "rejected", "failed"})
#: A code that is requested within this time after another one is for the same login, ms.
_SOON_MS = HOUR_MS

_ADVICE: Final[dict[MessageStatus, str]] = {
    "verified": "Nothing to do: the user was verified.",
    "unmatched": "Check that your application reports each message when it sends it, with the same id.",
    "invalid": "Check the clocks of the systems that report, or leave the time of the conversion out.",
}


class Surroundings(Struct, frozen=True):
    """The facts around a message that its story depends on.

    Attributes:
        now: the time now, ms.
        maturity: the known delays of the account.
        signals: the current signals of the account.
        others: other messages of the same user, in any order.
        zone: the time zone of the story.
    """

    now: int
    maturity: Maturity
    signals: Sequence[Signal] = ()
    others: Sequence[MessageOut] = ()
    zone: tzinfo = UTC


def status_of(message: MessageOut, around: Surroundings) -> MessageStatus:
    """Return the status of a message."""
    if message.requested_at is None:
        return "unmatched"
    if message.verified:
        return "verified"
    if message.delivered_true_first is not None:
        return "invalid"
    young = around.now - message.requested_at < around.maturity.horizon_ms
    return "waiting" if young else "overdue"


def tell_story(message: MessageOut, around: Surroundings) -> list[str]:
    """Return what happened to a message, in order, one sentence each."""
    return [
        _request(message, around),
        *_receipt(message, around),
        *_conversions(message, around),
        *_others(message, around),
    ]


def advise(message: MessageOut, around: Surroundings) -> str:
    """Return what to do about a message."""
    status = status_of(message, around)
    if status not in {"waiting", "overdue"}:
        return _ADVICE[status]
    if successor := _verified_after(message, around.others):
        return f"Nothing to do: the user was verified with message {successor.message_id}."
    if status == "waiting":
        until = (message.requested_at or 0) + around.maturity.horizon_ms
        return f"Wait until {iso_8601(until, around.zone)}. Then ask the user to request a new code."
    if (failure := failure_of(message, around)) is not None:
        return _advice_about(failure, around.zone)
    return _ask_again(message)


def failure_of(message: MessageOut, around: Surroundings) -> Signal | None:
    """Return the current failure that an advice names; None if none explains the message."""
    if status_of(message, around) != "overdue" or _verified_after(message, around.others):
        return None
    return next((signal for signal in around.signals if _explains(signal, message)), None)


def _ask_again(message: MessageOut) -> str:
    if message.receipt is not None and message.receipt.status in _NOT_DELIVERED:
        return (
            "The vendor did not deliver it: check the number, and ask the user to request a new code, if"
            " possible by another route."
        )
    if message.delivered_false_last is not None:
        return "Ask the user to request a new code."
    return (
        "Ask the user to request a new code. If the user did type this one, check that your application"
        " reports verification."
    )


def _advice_about(signal: Signal, zone: tzinfo) -> str:
    since = f"since about {iso_8601(signal.since, zone)}"
    if signal.kind == "silence":
        return (
            f"Check that your application reports verification: nothing is reported about"
            f" {signal.slice.label} {since}. See the dashboard."
        )
    return (
        f"The codes of {signal.slice.label} are failing {since}: see the dashboard. Ask the user to request a"
        " new code, if possible by another route."
    )


def _explains(signal: Signal, message: MessageOut) -> bool:
    """Return whether a message is in a slice that is broken, and was requested since."""
    values = {name: getattr(message, name) or "" for name in DIMENSIONS}
    return signal.slice.covers(values) and (message.requested_at or 0) >= signal.since - QUARTER_MS


def _request(message: MessageOut, around: Surroundings) -> str:
    if message.requested_at is None:
        return "No report says when this message was sent, or by which route."
    words = [f"Sent {_instant(message.requested_at, around)}"]
    words += [f"by {message.channel}"] if message.channel else []
    words += [f"through {message.provider}"] if message.provider else []
    words += [f"to {message.country}"] if message.country else []
    words += [f"(attempt {message.attempt})"] if message.attempt else []
    return f"{' '.join(words)}."


def _receipt(message: MessageOut, around: Surroundings) -> Iterator[str]:
    if (receipt := message.receipt) is not None:
        times = {status: getattr(receipt, f"{status}_at") for status in _STATUSES}
        order = sorted(
            (time, place, status) for place, (status, time) in enumerate(times.items()) if time is not None
        )
        said = ", ".join(f"{status} {_instant(time, around)}" for time, _, status in order)
        error = f" (error {receipt.error})" if receipt.error else ""
        yield f"The vendor says: {said}{error}."
    if message.price is not None:
        source = ", by the price list" if message.price_listed else ""
        yield f"It cost {message.price} {message.currency}{source}."


def _conversions(message: MessageOut, around: Surroundings) -> Iterator[str]:
    status = status_of(message, around)
    if status == "verified":
        yield from _verification(message, around)
    elif status == "unmatched":
        yield "A conversion of it was reported."
    elif status == "invalid":
        yield (
            "A conversion was reported, but for a time that is not later than the request, so it does not"
            " count."
        )
    elif message.delivered_false_last is not None:
        yield f"Reported as not typed back {_instant(message.delivered_false_last, around)}."
    elif message.delivered_without_time:
        yield "Reported as not typed back at an unknown time."
    else:
        yield "No conversion was reported."
    first, last = message.delivered_true_first, message.delivered_true_last
    if first != last:
        yield "The code was reported as typed back more than once, for different times."
    if message.delivered_false_last is not None and first is not None:
        yield "It was reported both as typed back and as not typed back; one valid report is enough."
    if status in {"waiting", "overdue"} and message.requested_at is not None:
        age = duration(max(0, around.now - message.requested_at))
        verb = "It may still be verified" if status == "waiting" else "It is overdue"
        yield f"{verb}: it is {age} old, and {_usual(around.maturity)}."


def _verification(message: MessageOut, around: Surroundings) -> Iterator[str]:
    if message.verified_at is None or message.requested_at is None:
        yield "Verified at an unknown time."
        return
    delay = message.verified_at - message.requested_at
    yield f"Verified {_instant(message.verified_at, around)}, {duration(delay)} after it was sent."
    if delay > around.maturity.horizon_ms:
        yield f"That is late: {_usual(around.maturity)}."


def _usual(maturity: Maturity) -> str:
    horizon = duration(maturity.horizon_ms)
    if maturity.scope is None:
        return f"codes are expected within {horizon}"
    return f"99.5 % of the verified codes come back within {horizon}"


def _others(message: MessageOut, around: Surroundings) -> Iterator[str]:
    count = len([other for other in around.others if other.message_id != message.message_id])
    if count:
        yield (
            "1 other message to the same user is known."
            if count == 1
            else (f"{count:,} other messages to the same user are known.")
        )
    if not message.verified and (successor := _verified_after(message, around.others)):
        yield f"A later message to the same user was verified: {successor.message_id}."


def _verified_after(message: MessageOut, others: Sequence[MessageOut]) -> MessageOut | None:
    """Return the first verified message of the same user that was sent after this one, within an hour."""
    sent = message.requested_at
    later = [
        (other.requested_at, other)
        for other in others
        if other.verified
        and other.requested_at is not None
        and sent is not None
        and 0 < other.requested_at - sent <= _SOON_MS
    ]
    return min(later, key=lambda pair: pair[0])[1] if later else None


def _instant(time: int, around: Surroundings) -> str:
    return f"at {iso_8601(time, around.zone)}"
