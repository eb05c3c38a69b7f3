"""What a viewer has chosen for all pages: a time zone, and the columns of tables; remembered in a cookie."""

from contextlib import suppress
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from otpconv.errors import InvalidRequest
from otpconv.times import parse_zone

_COOKIE = "otpconv-choices"
#: A longer cookie is ignored, characters.
_MAX_CHARS = 512
#: How long a choice is remembered, s.
_REMEMBERED_S = 365 * 24 * 60 * 60


class Choices(Struct, frozen=True):
    """The remembered choices, as parameters of a dashboard's URL; None where nothing is chosen.

    Attributes:
        tz: the name of a time zone; it may be unknown to this server.
        columns: names of columns, separated by commas; they may be unknown.
    """

    tz: str | None = None
    columns: str | None = None


def read_choices(request: Request) -> Choices:
    """Return the choices that a request's cookie has; anything may be in it."""
    cookie = request.cookies.get(_COOKIE, "")
    given = dict(parse_qsl(cookie)) if len(cookie) <= _MAX_CHARS else {}
    return Choices(given.get("tz"), given.get("columns"))


def zone_of(choices: Choices) -> ZoneInfo:
    """Return the chosen time zone; UTC if none is chosen, or this server does not know it."""
    with suppress(InvalidRequest):
        return parse_zone(choices.tz or "UTC")
    return parse_zone("UTC")


def remember(response: Response, choices: Choices, *, secure: bool) -> None:
    """Let a response's cookie replace the remembered choices.

    Args:
        response: the response of a form; a link never changes the remembered choices.
        choices: valid choices.
        secure: whether the request came over HTTPS.
    """
    chosen = {"tz": choices.tz, "columns": choices.columns}
    value = urlencode({name: text for name, text in chosen.items() if text})
    response.set_cookie(_COOKIE, value, max_age=_REMEMBERED_S, secure=secure, httponly=True, samesite="lax")
