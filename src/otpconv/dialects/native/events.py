"""The messages of brokers: a message carries one report, as the object of the native API with a `kind`.

    {"kind": "conversion", "message_id": "1008030300", "delivered": true, "conversion_time": 1767225631000}

docs/reference/report.schema.json is made from these types. Unlike in the native API, the time is required,
because an event does not happen when it leaves a queue. A conversion whose time is unknown has null.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from otpconv.dialects.native.fields import MessageId, Number, Time, in_words
from otpconv.dialects.native.reports import MessageDetails
from otpconv.dialects.native.timed import CONVERSION, REQUESTED


class ConversionEvent(
    Struct, tag_field="kind", tag="conversion", forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """Whether the user typed the code of a message back; the message is known by its id, or by its number."""

    delivered: bool
    conversion_time: Annotated[
        Time | None, Meta(extra_json_schema={"description": "Milliseconds since 1970, UTC; null: unknown"})
    ]
    message_id: MessageId | None = None
    to: Number | None = None


class RequestedEvent(
    MessageDetails,
    tag_field="kind",
    tag="requested",
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """A message that was handed to a vendor."""

    message_id: MessageId
    requested_at: Time


_EVENTS = msgspec.json.Decoder(ConversionEvent | RequestedEvent)
_encode = msgspec.json.Encoder().encode


class Malformed(ValueError):
    """A message of a broker that is not an event; the text says why, in one line."""


def native_of(event: bytes) -> tuple[bool, bytes]:
    """Return whether an event reports a requested message, and its object of the native API, on one line.

    Raises:
        Malformed: it is not an event.
    """
    try:
        fields = _EVENTS.decode(event)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(in_words(error)) from None
    except RecursionError:
        raise Malformed("nested too deeply") from None
    requested = isinstance(fields, RequestedEvent)
    return requested, b"{" + _encode(fields)[len(REQUESTED if requested else CONVERSION) :]


def schema() -> dict[str, Any]:
    """Return the JSON schema of events."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A report, as a message of a broker",
        **msgspec.json.schema(ConversionEvent | RequestedEvent),
    }
