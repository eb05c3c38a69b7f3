"""What the pages of administration share: forms, changes with a line in the audit trail, and layout."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from otpconv.service.administration import Stores
from otpconv.service.changes import Change
from otpconv.service.compose import Service
from otpconv.web.front.body import Bodies
from otpconv.web.front.gate import Gate
from otpconv.web.pages.forms import read_form, require_token
from otpconv.web.pages.layout import HEADERS, Layout
from otpconv.web.pages.visitors import Visitor, Visitors

#: Users, roles or policies on one page; a search finds the others.
MAX_ROWS = 200
#: Characters of a search.
MAX_SEARCH_CHARS = 100

_T = TypeVar("_T")


class Desk:
    """Reads and changes users, keys and policies for a visitor.

    Args:
        service: has the stores.
        bodies: reads forms.
        gate: knows where a request came from.
        layout: renders pages.
        visitors: knows what a visitor may do.
    """

    def __init__(
        self, service: Service, bodies: Bodies, gate: Gate, *, layout: Layout, visitors: Visitors
    ) -> None:
        self._service = service
        self._bodies = bodies
        self._peers = gate.peers
        self._layout = layout
        self._visitors = visitors

    async def form(self, request: Request, visitor: Visitor) -> dict[str, str]:
        """Return the fields of a form of this sign-in.

        Raises:
            ForeignForm: another site sent it, or it belongs to another sign-in.
            OtpconvError: it can't be read; see `read_form`.
        """
        form = await read_form(self._bodies, request)
        require_token(form, visitor.signed_in.form_token)
        return form

    async def read(self, work: Callable[[Stores], _T]) -> _T:
        """Return what `work` reads from the stores; see `Administration.read`."""
        return await self._service.administration.read(work)

    async def change(
        self,
        request: Request,
        visitor: Visitor,
        what: str,
        subject: str,
        work: Callable[[Stores, Change], _T],
    ) -> _T:
        """Let `work` make a change that is in force when this returns; see `Administration.change`.

        Args:
            request: the request of the change.
            visitor: who makes it.
            what: for the audit trail, e.g. `CreateUser`.
            subject: the name of the changed object; `work` may complete it.
            work: makes the change.
        """
        change = Change(
            key=visitor.key,
            what=what,
            subject=subject,
            source_ip=self._peers.of(request.scope).source_ip,
            request_id=request.scope.get("otpconv.request_id", ""),
        )
        result = await self._service.administration.change(change, lambda stores: work(stores, change))
        await self._service.see_changes()
        return result

    def allowed(self, request: Request, visitor: Visitor, actions: Iterable[str]) -> frozenset[str]:
        """Return which of some actions a visitor may do, so that a page offers only these."""
        return frozenset(each for each in actions if not self._visitors.refusal(request, visitor, each))

    def page(
        self,
        template: str,
        path: str,
        visitor: Visitor,
        *,
        status: int = HTTPStatus.OK,
        **values: Any,  # noqa: ANN401
    ) -> Response:
        """Return a page of administration; see `Layout.page`."""
        return self._layout.page(template, path, visitor, status=status, **values)


def search_text(request: Request) -> str:
    """Return what a visitor searches for, cut to its bound."""
    return request.query_params.get("q", "").strip()[:MAX_SEARCH_CHARS]


def done(path: str, what: str) -> Response:
    """Return the redirect after a change; the page at `path` reports it.

    Args:
        path: of the page, percent-encoded.
        what: a key of the texts in `administration.html`.
    """
    return RedirectResponse(f"{path}?done={what}", HTTPStatus.SEE_OTHER, headers=HEADERS)
