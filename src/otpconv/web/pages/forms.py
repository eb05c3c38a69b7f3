"""Forms of the pages: reading one, and refusing those that another site's page sends.

A browser says by `Origin` or `Sec-Fetch-Site` which page sends a form, and no page can change that. What a
signed-in user sends carries the token of the sign-in as well.
"""

import asyncio
import hmac
from urllib.parse import parse_qsl

from starlette.requests import Request

from otpconv.errors import ForeignForm, InvalidRequest, UnsupportedMediaType
from otpconv.web.front.body import Bodies

#: The name of the field with the token of the sign-in.
TOKEN = "form_token"  # noqa: S105 - a name

#: Fields of a form.
MAX_FIELDS = 200
#: A larger form is decoded in a thread: decoding 128 KiB takes 40 ms.
_AT_ONCE_BYTES = 16 * 1024


async def read_form(bodies: Bodies, request: Request) -> dict[str, str]:
    """Return the fields of a form; of a repeated one the last.

    Raises:
        ForeignForm: a page of another site sent it.
        BodyTooLarge: it has over 128 KiB.
        UnsupportedMediaType: the body is not a urlencoded form.
        InvalidRequest: it is not UTF-8, or has over 200 fields.
    """
    _require_own_page(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {"", "application/x-www-form-urlencoded"}:
        raise UnsupportedMediaType("Send application/x-www-form-urlencoded, as a form does.")
    async with bodies.read(request.scope, request.receive) as body:
        if len(body) <= _AT_ONCE_BYTES:
            return _fields(body)
        return await asyncio.to_thread(_fields, body)


def _fields(body: bytes) -> dict[str, str]:
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise InvalidRequest("The form is not UTF-8, or has too many fields.") from None
    return dict(fields)


def require_token(form: dict[str, str], expected: str) -> None:
    """Return if a form carries the token of the sign-in it came with.

    Raises:
        ForeignForm: it does not.
    """
    given = form.get(TOKEN, "").encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(given, expected.encode()):
        raise _foreign()


def _require_own_page(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin is not None:
        # A text that is not an origin, such as `null`, has no host, and is not ours.
        _, _, host = origin.partition("://")
        own = host != "" and host.lower() == request.headers.get("host", "").lower()
    else:
        own = request.headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}
    if not own:
        raise _foreign()


def _foreign() -> ForeignForm:
    return ForeignForm(
        "This form came from another site's page, or from one of a sign-in that is over; nothing was done. "
        "Open the page again, and send the form from there."
    )
