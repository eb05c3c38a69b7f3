"""The description of one error code, for callers and for people."""

from msgspec import Struct


class ErrorCode(Struct, frozen=True):
    """One code.

    Attributes:
        code: as it is on the wire.
        status: the HTTP status it is sent with.
        text: the documented sentence, sent as the beginning of the message.
        cause: why a caller sees it, for people.
        remedy: what to do about it, for people.
    """

    code: str
    status: int
    text: str
    cause: str
    remedy: str
