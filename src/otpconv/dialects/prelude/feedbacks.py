"""Turns Prelude's feedbacks into reports.

A feedback has no time: it happened when the call arrived. Those of one call happened in their order, 1 ms
apart.

The id of a message is the correlation id. Without one, a completed verification belongs to the newest message
to its number, and a started one gets an id that is derived from the number and the time. The SDKs repeat
calls that seem to have failed, without saying so. So two calls within the same `SAME_START_MS` that start a
verification of a number count once.
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Literal

from msgspec import Struct, field, json

from otpconv.dialects import bodies
from otpconv.dialects.conversions import converted_now
from otpconv.dialects.dialect import MAX_REPORTS, HashNumber
from otpconv.errors import InvalidNumber, InvalidRequest
from otpconv.model import Conversion, Dimensions, Requested, is_message_id
from otpconv.phone import parse

#: Starts of a verification of one number within such a period have one id, ms. The SDKs repeat a call within
#: some 10 s; users wait longer before they ask for another code.
SAME_START_MS: Final = 30_000
#: Characters of a correlation id at most, as the vendor has it.
MAX_CORRELATION_ID_CHARS: Final = 64

_ID_BYTES: Final = 16


class EmptyBatch(InvalidRequest):
    """A call has no feedbacks."""


class LargeBatch(InvalidRequest):
    """A call has too many feedbacks."""


class InvalidCorrelationId(InvalidRequest):
    """A correlation id is too long, or is not a message id."""


class Target(Struct, frozen=True):
    """Whom a feedback is about."""

    type: Literal["phone_number"]
    value: str


class Metadata(Struct, frozen=True):
    """What the caller says about a feedback."""

    correlation_id: str = ""


class Feedback(Struct, frozen=True):
    """One feedback."""

    target: Target
    type: Literal["verification.started", "verification.completed"]
    metadata: Metadata = field(default_factory=Metadata)


class Feedbacks(Struct, frozen=True):
    """The body of a call."""

    feedbacks: list[Feedback]


_DECODER: Final = json.Decoder(Feedbacks)


def read_reports(
    body: bytes, account: int, now: int, *, access_key_id: str, number_hash: HashNumber, region: str
) -> Sequence[Requested | Conversion]:
    """Return a report for each feedback of a call.

    Args:
        body: the body of the call.
        account: the account of the caller.
        now: the current time, ms UTC.
        access_key_id: the access key of the caller.
        number_hash: hashes an account and a number (E.164).
        region: the ISO 3166 country whose national numbers are read; empty for none.

    Raises:
        InvalidRequest: the body is malformed.
        InvalidNumber: a target is not a telephone number.
    """
    feedbacks = bodies.from_json(_DECODER, body).feedbacks
    if not feedbacks:
        raise EmptyBatch("The batch is empty. Send at least one feedback.")
    if len(feedbacks) > MAX_REPORTS:
        raise LargeBatch(f"The batch has {len(feedbacks)} feedbacks. Send at most {MAX_REPORTS} in a call.")
    starts: Counter[str] = Counter()
    reports: list[Requested | Conversion] = []
    for index, feedback in enumerate(feedbacks):
        at = now - (len(feedbacks) - 1 - index)
        try:
            phone = parse(feedback.target.value, region)
        except InvalidNumber as error:
            raise InvalidNumber(f"feedbacks[{index}].target.value: {error.text}") from None
        number = number_hash(account, phone.e164)
        message_id = _correlation_id(feedback, index)
        if feedback.type == "verification.completed":
            reports.append(converted_now(account, message_id, at, number))
            continue
        if not message_id:
            message_id = _derived_id(number, at, starts[number])
            starts[number] += 1
        dimensions = Dimensions(phone.country, phone.carrier, access_key=access_key_id)
        reports.append(Requested(account, message_id, at, dimensions, number, phone.number_range))
    return reports


def _correlation_id(feedback: Feedback, index: int) -> str:
    text = feedback.metadata.correlation_id
    if text and (len(text) > MAX_CORRELATION_ID_CHARS or not is_message_id(text)):
        raise InvalidCorrelationId(
            f"feedbacks[{index}].metadata.correlation_id must be 1 to {MAX_CORRELATION_ID_CHARS} printable"
            " ASCII characters without spaces: it is the id of the message."
        )
    return text


def _derived_id(number: str, at: int, earlier: int) -> str:
    """Return the id of a message without one.

    Args:
        number: the keyed hash of the number.
        at: when the verification was started, ms UTC.
        earlier: how many feedbacks before it in the call started a verification of the number.
    """
    text = f"{number} {at // SAME_START_MS} {earlier}".encode()
    return f"prelude-{blake2b(text, digest_size=_ID_BYTES).hexdigest()}"
