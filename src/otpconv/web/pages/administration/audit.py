"""The page of the audit trail, with its search."""

from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from otpconv.audit import FILE
from otpconv.clock import iso_8601
from otpconv.errors import InvalidRequest, Unavailable
from otpconv.service.compose import Service
from otpconv.times import parse_time
from otpconv.web.pages.administration.desk import MAX_SEARCH_CHARS, Desk
from otpconv.web.pages.administration.trail import Found, Search, search_trail
from otpconv.web.pages.visitors import Visitor

AUDIT_PATH: Final = "/administration/audit"

_FIELDS: Final = ("who", "what", "outcome", "start", "end")
#: Digits of a position in the file.
_POSITION_DIGITS: Final = 15


class AuditPage:
    """`/administration/audit`."""

    def __init__(self, desk: Desk, service: Service) -> None:
        """Create the page.

        Args:
            desk: lays the page out.
            service: knows the file, and has a thread that may wait for it.
        """
        self._desk = desk
        self._clock = service.clock
        self._file = service.settings.data / FILE
        self._aside = service.administration.aside

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the newest lines that match, and with a link to older ones."""
        given = {name: request.query_params.get(name, "").strip()[:MAX_SEARCH_CHARS] for name in _FIELDS}
        found, problem, field = Found([], None, ""), "", ""
        times = {}
        for name in ("start", "end"):
            try:
                times[name] = (
                    iso_8601(parse_time(given[name], name, now=self._clock(), tz=visitor.zone), exact=True)
                    if given[name]
                    else ""
                )
            except InvalidRequest as error:
                problem, field = error.text, name
        if not problem:
            search = Search(
                account=visitor.key.account,
                account_name=visitor.key.account_name,
                who=given["who"],
                what=given["what"],
                outcome=given["outcome"],
                start=times["start"],
                end=times["end"],
            )
            found = await self._search(search, _position(request))
        filled = {name: value for name, value in given.items() if value}
        return self._desk.page(
            "administration_audit.html",
            AUDIT_PATH,
            visitor,
            status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
            given=given,
            found=found,
            older=f"{AUDIT_PATH}?{urlencode({**filled, 'before': found.before})}",
            newest=f"{AUDIT_PATH}?{urlencode(filled)}" if _position(request) is not None else "",
            problem=problem,
            field=field,
        )

    async def _search(self, search: Search, before: int | None) -> Found:
        try:
            return await self._aside(lambda: search_trail(self._file, search, before))
        except OSError as error:
            raise Unavailable(
                f"The audit trail can't be read ({error.strerror}). Check the server's data folder."
            ) from error


def _position(request: Request) -> int | None:
    text = request.query_params.get("before", "")
    digits = text.isascii() and text.isdecimal() and len(text) <= _POSITION_DIGITS
    return int(text) if digits else None
