"""One message, looked up by its id: what it was, and what was reported of it, in the order of time."""

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

PATH = "/dashboard/message"


class Event(Struct, frozen=True):
    """Something that happened to a message, at `time` (ms), `after_ms` it was requested."""

    time: int
    what: str
    after_ms: int | None


class MessagePage:
    """`/dashboard/message?message_id=ID`."""

    def __init__(self, service: Service, layout: Layout) -> None:
        """Take what knows the messages, and what pages need."""
        self._service = service
        self._layout = layout

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Answer the page of one message, or how to find it."""
        message_id = request.query_params.get("message_id", "").strip()
        found, lag, problem = None, 0, ""
        if message_id:
            try:
                found, lag = await look_up(self._service, visitor.key, message_id)
            except NotFound as error:
                problem = error.text
        return self._layout.page(
            "message.html",
            PATH,
            visitor,
            status=HTTPStatus.NOT_FOUND if message_id and found is None else HTTPStatus.OK,
            problem=problem,
            message_id=message_id,
            message=found,
            lag=lag,
            told=_told(found) if found else [],
            events=history(found) if found else [],
        )


def history(message: MessageOut) -> list[Event]:
    """Return what happened to a message, in the order of time."""
    requested_at = message.requested_at
    first, last = message.delivered_true_first, message.delivered_true_last
    happened = [
        (requested_at, "Requested: handed to the vendor."),
        (message.delivered_false_last, "Reported as not typed back; of several such reports, the last."),
        (first, "Reported as typed back."),
        (last if last != first else None, "Reported as typed back again; of several such reports, the last."),
        (message.verified_at, "Verified: from here on it counts as converted."),
    ]
    order = sorted((time, place, what) for place, (time, what) in enumerate(happened) if time is not None)
    return [
        Event(time, what, time - requested_at if requested_at is not None and place else None)
        for time, place, what in order
    ]


def _told(message: MessageOut) -> list[tuple[str, object]]:
    names = (*DIMENSIONS, "session_id", "attempt", "number_range")
    told = [(name, getattr(message, name)) for name in names]
    return [(name, value) for name, value in told if value is not None]
