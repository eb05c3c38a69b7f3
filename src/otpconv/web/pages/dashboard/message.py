"""The page of one message: its state and its history."""

from http import HTTPStatus

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from otpconv.dialects.native.answers import MessageOut
from otpconv.errors import NotFound
from otpconv.service.compose import Service
from otpconv.storage.contract import DIMENSIONS
from otpconv.web.pages.layout import Layout
from otpconv.web.pages.visitors import Visitor
from otpconv.web.v1.known import look_up

MESSAGE_PATH = "/dashboard/message"


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
    """`/dashboard/message?message_id=ID`."""

    def __init__(self, service: Service, layout: Layout) -> None:
        """Create the page.

        Args:
            service: looks messages up.
            layout: renders pages.
        """
        self._service = service
        self._layout = layout

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the page of one message, or with the form to look one up."""
        message_id = request.query_params.get("message_id", "").strip()
        found, lag, problem = None, 0, ""
        if message_id:
            try:
                found, lag = await look_up(self._service, visitor.key, message_id)
            except NotFound as error:
                problem = error.text
        return self._layout.page(
            "message.html",
            MESSAGE_PATH,
            visitor,
            status=HTTPStatus.NOT_FOUND if message_id and found is None else HTTPStatus.OK,
            problem=problem,
            message_id=message_id,
            message=found,
            lag=lag,
            fields=_fields(found) if found else [],
            events=message_events(found) if found else [],
        )


def message_events(message: MessageOut) -> list[Event]:
    """Return the history of a message, by time."""
    requested_at = message.requested_at
    first, last = message.delivered_true_first, message.delivered_true_last
    happened = [
        (requested_at, "Requested: handed to the vendor."),
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
    names = (*DIMENSIONS, "session_id", "attempt", "number_range")
    fields = [(name, getattr(message, name)) for name in names]
    return [(name, value) for name, value in fields if value is not None]
