"""Writes the parts of responses that the vendors have in common."""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from otpconv.dialects.dialect import HttpResponse
from otpconv.errors import Throttled, Unavailable

#: When a client may try again while the storage fails, s.
_UNAVAILABLE_S: Final = 1

Headers = Sequence[tuple[bytes, bytes]]


def json_response(status: int, members: object, *, code: str = "OK", headers: Headers = ()) -> HttpResponse:
    """Return a response with a JSON body.

    Args:
        status: the HTTP status.
        members: the value of the body.
        code: the error code in it; for metrics.
        headers: further headers, names in lower case.
    """
    body = json.encode(members)
    content = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return HttpResponse(status, [*content, *headers], body, code)


def empty_response(status: int) -> HttpResponse:
    """Return a response without a body."""
    return HttpResponse(status, [(b"content-length", b"0")], b"")


def retry_after(error: Exception) -> Headers:
    """Return the header that says when to try again, for the errors that pass; none for others."""
    if isinstance(error, Throttled):
        return ((b"retry-after", b"%d" % -(-error.wait_ms // 1_000)),)
    if isinstance(error, Unavailable):
        return ((b"retry-after", b"%d" % _UNAVAILABLE_S),)
    return ()
