"""Reports as our clients write them: the objects of the native API, and the messages of brokers.

These types check nothing, since a client has checked its arguments before, and always have a time. They are
apart from the server's types, so that importing the reporter stays fast.
"""

from msgspec import UNSET, Struct, UnsetType

#: How the messages of brokers begin, in place of the object's bracket.
CONVERSION, REQUESTED = b'{"kind":"conversion",', b'{"kind":"requested",'


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
    vendor_message_id: str | UnsetType = UNSET
    price: str | UnsetType = UNSET
    currency: str | UnsetType = UNSET


class TimedConversion(Struct, omit_defaults=True, gc=False):
    """A conversion as our clients write it."""

    delivered: bool
    conversion_time: int
    message_id: str | UnsetType = UNSET
    to: str | UnsetType = UNSET


def event_of(body: bytes, *, requested: bool) -> bytes:
    """Return the event of a report.

    Args:
        body: the object of the native API.
        requested: whether it reports a requested message, not a conversion.
    """
    return (REQUESTED if requested else CONVERSION) + body[1:]
