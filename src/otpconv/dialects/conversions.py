"""Makes the conversions of vendors whose reports differ only in how they are written."""

from otpconv.errors import InvalidRequest, InvalidTime
from otpconv.model import CLOCK_SKEW_MS, MESSAGE_ID_RULE, Conversion, Timing, is_message_id


def message_id(text: str, name: str) -> str:
    """Return an id if it is a message id; `name` is what the vendor calls it.

    Raises:
        InvalidRequest: it is not one.
    """
    if not is_message_id(text):
        raise InvalidRequest(f"{name} must be {MESSAGE_ID_RULE}.")
    return text


def past_time(time: int, now: int, name: str) -> int:
    """Return a time (ms UTC) if it is not in the future; `name` is what the vendor calls it.

    Raises:
        InvalidTime: it is.
    """
    if time > now + CLOCK_SKEW_MS:
        raise InvalidTime(
            f"{name} is {(time - now) // 1_000} s in the future. Send a time in UTC that has passed."
        )
    return time


def converted_now(account: int, known_id: str, now: int, number: str = "") -> Conversion:
    """Return the report that the code of a message was typed back when the call arrived.

    Args:
        account: whose message it is.
        known_id: the id of the message; empty if it is known by its number alone.
        now: when the call arrived, ms UTC.
        number: the keyed hash of the recipient's number; empty if unknown.
    """
    timing = Timing.ARRIVAL if known_id else Timing.GIVEN
    return Conversion(
        account, delivered=True, conversion_time=now, message_id=known_id, number=number, timing=timing
    )
