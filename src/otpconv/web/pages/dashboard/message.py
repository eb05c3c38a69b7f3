"""The page of one message: its state and its history."""

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from otpconv.dialects.native.answers import MessageOut
from otpconv.dialects.native.reports import MAX_FOUND
from otpconv.errors import InvalidNumber, NotFound
from otpconv.model import is_message_id
from otpconv.phone import parse
from otpconv.service.compose import Service
from otpconv.storage.contract import DIMENSIONS
from otpconv.web.front.body import Bodies
from otpconv.web.front.gate import Gate
from otpconv.web.pages.forms import read_form, require_token
from otpconv.web.pages.layout import HEADERS, Layout
from otpconv.web.pages.visitors import Visitor, Visitors
from otpconv.web.v1.known import look_up, search

MESSAGE_PATH = "/dashboard/message"
#: The values of the template that a page does not need.
_EMPTY: Final = {
    "message_id": "",
    "message": None,
    "found": None,
    "lag": 0,
    "problem": "",
    "unreadable": False,
}


class Event(Struct, frozen=True):
    """An event in the history of a message.

    Attributes:
        time: ms.
        what: the event, in words.
        after_ms: how long after the request; None for the request itself, and where its time is unknown.
    """

    time: int
    what: str
    after_ms: int | None


class MessagePage:
    """`/dashboard/message?message_id=ID`, and its form, which takes an id or a number."""

    def __init__(
        self, service: Service, bodies: Bodies, gate: Gate, *, layout: Layout, visitors: Visitors
    ) -> None:
        """Create the page.

        Args:
            service: looks messages up.
            bodies: reads the form.
            gate: records searches by number.
            layout: renders pages.
            visitors: checks the policies.
        """
        self._service = service
        self._bodies = bodies
        self._gate = gate
        self._layout = layout
        self._visitors = visitors

    async def find(self, request: Request, visitor: Visitor) -> Response:
        """Respond to the form: with the messages to a number, or with the way to the page of a message.

        The form is posted, so that no URL contains a number.
        """
        form = await read_form(self._bodies, request)
        require_token(form, visitor.signed_in.form_token)
        wanted = form.get("message_id", "").strip()
        try:
            phone = parse(wanted, self._service.region)
        except InvalidNumber:
            phone = None
        if is_message_id(wanted) and not wanted.startswith("+"):
            # An id may look like a number; a number must not get into the URL.
            self._visitors.require(request, visitor, "otpconv:GetMessage")
            message, lag = await look_up(self._service, visitor.key, wanted, visitor.zone)
            if message is None and phone is None:
                return self._page(visitor, HTTPStatus.NOT_FOUND, message_id=wanted, lag=lag)
            if message is not None:
                return RedirectResponse(
                    f"{MESSAGE_PATH}?message_id={quote(wanted, safe='')}",
                    HTTPStatus.SEE_OTHER,
                    headers=HEADERS,
                )
        if phone is None:
            return self._page(visitor, HTTPStatus.NOT_FOUND, unreadable=True)
        self._visitors.require(request, visitor, "otpconv:FindMessages")
        found, lag = await search(self._service, visitor.key, phone.e164, MAX_FOUND, visitor.zone)
        subject = f"{len(found.messages)} messages"
        self._gate.answered(visitor.key, "otpconv:FindMessages", subject, request.scope)
        return self._page(visitor, HTTPStatus.OK, found=found, lag=lag)

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the page of one message, or with the form to look one up."""
        message_id = request.query_params.get("message_id", "").strip()
        found, lag, problem = None, 0, ""
        if message_id:
            try:
                found, lag = await look_up(self._service, visitor.key, message_id, visitor.zone)
            except NotFound as error:
                problem = error.text
        return self._page(
            visitor,
            HTTPStatus.NOT_FOUND if message_id and found is None else HTTPStatus.OK,
            problem=problem,
            message_id=message_id,
            message=found,
            lag=lag,
            fields=_fields(found) if found else [],
            events=message_events(found) if found else [],
        )

    def _page(self, visitor: Visitor, status: HTTPStatus, **values: object) -> Response:
        return self._layout.page("message.html", MESSAGE_PATH, visitor, status=status, **_EMPTY | values)


def message_events(message: MessageOut) -> list[Event]:
    """Return the history of a message, by time."""
    requested_at = message.requested_at
    first, last = message.delivered_true_first, message.delivered_true_last
    happened = [
        (requested_at, "Requested: handed to the vendor."),
        *_receipts(message),
        (message.delivered_false_last, "Reported as not typed back (the last of these reports)."),
        (first, "Reported as typed back."),
        (last if last != first else None, "Reported as typed back again (the last of these reports)."),
        (message.verified_at, "Verified: counts as converted from here on."),
    ]
    order = sorted((time, place, what) for place, (time, what) in enumerate(happened) if time is not None)
    return [
        Event(time, what, time - requested_at if requested_at is not None and place else None)
        for time, place, what in order
    ]


def _fields(message: MessageOut) -> list[tuple[str, object]]:
    """Return the known fields of a message: name and value."""
    names = (*DIMENSIONS, "session_id", "attempt", "number_range", "vendor_message_id", "segments")
    fields = [(name, getattr(message, name)) for name in names]
    if message.receipt is not None:
        fields += [("delivery", message.receipt.status), ("error", message.receipt.error)]
    if message.price is not None:
        listed = " (price list)" if message.price_listed else ""
        fields.append(("price", f"{message.price} {message.currency}{listed}"))
    return [(name, value) for name, value in fields if value is not None]


def _receipts(message: MessageOut) -> list[tuple[int | None, str]]:
    """Return what the vendor said about delivery, with its times, ms."""
    receipt = message.receipt
    if receipt is None:
        return []
    error = f" (error {receipt.error})" if receipt.error else ""
    return [
        (receipt.accepted_at, "The vendor accepted it."),
        (receipt.sent_at, "The vendor sent it."),
        (receipt.expired_at, f"The vendor says: expired{error}."),
        (receipt.rejected_at, f"The vendor says: rejected{error}."),
        (receipt.failed_at, f"The vendor says: failed{error}."),
        (receipt.delivered_at, "The vendor says: delivered."),
    ]
