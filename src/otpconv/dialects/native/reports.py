"""The reports of the native API: how the server reads them, and how our clients write them.

The server's types check every field and are written into /openapi.json. The clients' types check nothing,
since a client has checked its arguments before, and always have a time.
"""

from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from otpconv.dialects.native.fields import Attempt, Channel, Country, MessageId, Number, Text, Time, Value

MESSAGES_PATH: Final = "/v1/messages"
CONVERSIONS_PATH: Final = "/v1/conversions"
JSON: Final = "application/json"
#: The media type of a body with one object per line.
NDJSON: Final = "application/x-ndjson"

#: Items of one call at most.
MAX_ITEMS: Final = 10_000


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


class Messages(Struct, forbid_unknown_fields=True):
    """1 to 10,000 messages."""

    messages: Annotated[list[MessageIn], Meta(min_length=1, max_length=MAX_ITEMS)]


class Conversions(Struct, forbid_unknown_fields=True):
    """1 to 10,000 conversions."""

    conversions: Annotated[list[ConversionIn], Meta(min_length=1, max_length=MAX_ITEMS)]


class TimedMessage(Struct, omit_defaults=True, gc=False):
    """A message as our clients write it."""

    message_id: str
    requested_at: int
    to: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    carrier: str | UnsetType = UNSET
    provider: str | UnsetType = UNSET
    template: str | UnsetType = UNSET
    sender: str | UnsetType = UNSET
    channel: str | UnsetType = UNSET
    session_id: str | UnsetType = UNSET
    attempt: int | UnsetType = UNSET


class TimedConversion(Struct, omit_defaults=True, gc=False):
    """A conversion as our clients write it."""

    delivered: bool
    conversion_time: int
    message_id: str | UnsetType = UNSET
    to: str | UnsetType = UNSET
