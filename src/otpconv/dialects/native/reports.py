"""The reports of the native API as the server reads them; `timed.py` has them as our clients write them.

These types check every field and are written into /openapi.json.
"""

from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from otpconv.dialects.native.fields import (
    Attempt,
    Channel,
    Country,
    Currency,
    MessageId,
    Number,
    Price,
    Text,
    Time,
    Value,
    VendorMessageId,
)

MESSAGES_PATH: Final = "/v1/messages"
CONVERSIONS_PATH: Final = "/v1/conversions"
JSON: Final = "application/json"
SEARCH_PATH: Final = "/v1/messages/search"
#: The media type of a body with one object per line.
NDJSON: Final = "application/x-ndjson"

#: Items of one call at most.
MAX_ITEMS: Final = 10_000
#: Messages of one search at most.
MAX_FOUND: Final = 50


class MessageDetails(Struct, kw_only=True):
    """The optional fields of a message, without its time."""

    to: Number | None = None
    country: Country | None = None
    carrier: Value | None = None
    provider: Value = ""
    template: Value = ""
    sender: Value = ""
    channel: Channel = "sms"
    session_id: Text = ""
    attempt: Attempt | None = None
    vendor_message_id: VendorMessageId | None = None
    price: Price | None = None
    currency: Currency | None = None


class MessageIn(MessageDetails, forbid_unknown_fields=True):
    """A message that was handed to a vendor."""

    message_id: MessageId
    requested_at: Time | None = None


class ConversionIn(Struct, forbid_unknown_fields=True):
    """Whether the user typed the code of a message back; the message is known by its id, or by its number."""

    delivered: bool
    message_id: MessageId | None = None
    to: Number | None = None
    conversion_time: (
        Annotated[
            Time | None,
            Meta(
                extra_json_schema={
                    "description": "Milliseconds since 1970, UTC. If absent: now, or unknown if the message"
                    " was requested more than 24 hours ago. Null: unknown; not with `to` alone"
                }
            ),
        ]
        | UnsetType
    ) = UNSET


class MessageSearch(Struct, forbid_unknown_fields=True):
    """Asks for the messages to a number."""

    to: Number
    limit: Annotated[int, Meta(ge=1, le=MAX_FOUND)] = MAX_FOUND


class Messages(Struct, forbid_unknown_fields=True):
    """1 to 10,000 messages."""

    messages: Annotated[list[MessageIn], Meta(min_length=1, max_length=MAX_ITEMS)]


class Conversions(Struct, forbid_unknown_fields=True):
    """1 to 10,000 conversions."""

    conversions: Annotated[list[ConversionIn], Meta(min_length=1, max_length=MAX_ITEMS)]
