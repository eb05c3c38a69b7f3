"""The forms of a dashboard that remember what viewers choose: the time zone, and the columns."""

from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from otpconv.clock import Clock
from otpconv.errors import InvalidRequest
from otpconv.times import parse_zone
from otpconv.web.front.body import Bodies
from otpconv.web.front.gate import Gate
from otpconv.web.pages.choices import Choices, read_choices, remember
from otpconv.web.pages.dashboard.columns import COLUMNS
from otpconv.web.pages.dashboard.view import View, parse_view
from otpconv.web.pages.forms import read_form, require_token
from otpconv.web.pages.layout import HEADERS
from otpconv.web.pages.visitors import Visitor


class ChoosingForm:
    """`POST /dashboard/choices`: remembers choices in a cookie, and leads back to the view with them."""

    def __init__(self, bodies: Bodies, gate: Gate, clock: Clock) -> None:
        """Create the handler.

        Args:
            bodies: reads forms.
            gate: knows whether a request came over HTTPS.
            clock: the time now.
        """
        self._bodies = bodies
        self._peers = gate.peers
        self._clock = clock

    async def post(self, request: Request, visitor: Visitor) -> Response:
        """Remember the choices of a form; the view that it came from has them in its URL then."""
        form = await read_form(self._bodies, request)
        require_token(form, visitor.signed_in.form_token)
        choices = read_choices(request)
        view = view_of(form.get("view", ""), self._clock(), choices)
        changes: dict[str, str | None] = {}
        if "tz" in form:
            changes["tz"] = parse_zone(form["tz"].strip()).key
            choices = replace(choices, tz=changes["tz"])
        else:
            changes["columns"] = None if "reset" in form else _columns(form)
            choices = replace(choices, columns=changes["columns"])
        anchor = "#zone" if "tz" in form else "#columns"
        response = RedirectResponse(view.url(**changes) + anchor, HTTPStatus.SEE_OTHER, headers=HEADERS)
        remember(response, choices, secure=self._peers.of(request.scope).secure)
        return response


def view_of(url: str, now: int, choices: Choices) -> View:
    """Return the view of a dashboard's URL, of which only the query counts.

    Raises:
        InvalidRequest: the URL is malformed.
    """
    try:
        query = urlsplit(url).query
    except ValueError:
        raise InvalidRequest(f"Invalid view {url[:40]!r}. Open the dashboard and try again.") from None
    return parse_view(parse_qsl(query, keep_blank_values=True), now, choices)


def _columns(form: dict[str, str]) -> str:
    chosen = [name for name in COLUMNS if f"column-{name}" in form]
    if not chosen:
        raise InvalidRequest("No column is chosen. Choose at least one.")
    return ",".join(chosen)
