"""Saved views of the dashboard: the page that lists them, and the forms that save, rename and delete them.

Every user with `otpconv:ListViews` sees the saved views of the account. `otpconv:SaveView` allows to save
views, and to rename and delete one's own; those of others need `otpconv:ManageViews`.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from otpconv.access.saved_views import MAX_NAME_CHARS, MAX_QUERY_CHARS, SavedView
from otpconv.errors import InvalidRequest, NotFound
from otpconv.service.changes import Change, recorded
from otpconv.service.compose import Service
from otpconv.web.front.body import Bodies
from otpconv.web.front.gate import Gate
from otpconv.web.pages.choices import read_choices
from otpconv.web.pages.dashboard.choosing import view_of
from otpconv.web.pages.forms import read_form, require_token
from otpconv.web.pages.layout import HEADERS, Layout
from otpconv.web.pages.visitors import Visitor, Visitors

VIEWS_PATH: Final = "/dashboard/views"
LIST_ACTION, SAVE_ACTION, MANAGE_ACTION = "otpconv:ListViews", "otpconv:SaveView", "otpconv:ManageViews"
#: The longest id of a view that is looked up, digits.
_ID_DIGITS: Final = 15


class SavedViews:
    """`/dashboard/views` and its forms. The disk is used beside the event loop."""

    def __init__(
        self, service: Service, bodies: Bodies, gate: Gate, *, layout: Layout, visitors: Visitors
    ) -> None:
        """Create the handlers.

        Args:
            service: has the saved views.
            bodies: reads forms.
            gate: finds out where a request came from.
            layout: renders pages.
            visitors: knows what a visitor may do.
        """
        self._service = service
        self._bodies = bodies
        self._peers = gate.peers
        self._layout = layout
        self._visitors = visitors

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Respond with the list of the account's saved views."""
        views = await self._list(visitor)
        may = {
            action: not self._visitors.refusal(request, visitor, action)
            for action in (SAVE_ACTION, MANAGE_ACTION)
        }
        return self._layout.page(
            "saved_views.html",
            VIEWS_PATH,
            visitor,
            views=views,
            changeable={view.id for view in views if may[_needed(visitor, view)]},
            max_name=MAX_NAME_CHARS,
        )

    async def save(self, request: Request, visitor: Visitor) -> Response:
        """Save the view that a form names, and lead back to it."""
        form = await self._form(request, visitor)
        now = self._service.clock()
        view = view_of(form.get("view", ""), now, read_choices(request))
        name, query = _name(form), urlsplit(view.shared()).query
        if len(query) > MAX_QUERY_CHARS:
            raise InvalidRequest(
                f"The URL of this view is too long to save: it has {len(query):,} characters, at most"
                f" {MAX_QUERY_CHARS:,} are allowed. Use fewer filters."
            )
        key = visitor.key

        def work() -> None:
            self._service.saved_views.create(key.account, name, query, created_by=key.display_name, now=now)

        await self._change(request, visitor, "SaveView", name, work)
        return RedirectResponse(f"{view.url()}#views", HTTPStatus.SEE_OTHER, headers=HEADERS)

    async def rename(self, request: Request, visitor: Visitor) -> Response:
        """Give a view another name."""
        form = await self._form(request, visitor)
        view = await self._changeable(request, visitor)
        name, account = _name(form), visitor.key.account

        def work() -> None:
            self._service.saved_views.rename(account, view.id, name)

        await self._change(request, visitor, "RenameView", f"{view.name} -> {name}", work)
        return RedirectResponse(VIEWS_PATH, HTTPStatus.SEE_OTHER, headers=HEADERS)

    async def delete(self, request: Request, visitor: Visitor) -> Response:
        """Delete a view."""
        await self._form(request, visitor)
        view = await self._changeable(request, visitor)

        def work() -> None:
            self._service.saved_views.delete(visitor.key.account, view.id)

        await self._change(request, visitor, "DeleteView", view.name, work)
        return RedirectResponse(VIEWS_PATH, HTTPStatus.SEE_OTHER, headers=HEADERS)

    async def _list(self, visitor: Visitor) -> list[SavedView]:
        return await asyncio.to_thread(self._service.saved_views.list, visitor.key.account)

    async def _form(self, request: Request, visitor: Visitor) -> dict[str, str]:
        form = await read_form(self._bodies, request)
        require_token(form, visitor.signed_in.form_token)
        return form

    async def _changeable(self, request: Request, visitor: Visitor) -> SavedView:
        """Return the view of the URL if the visitor may change it.

        Raises:
            NotFound: the account has no such view.
            AccessDenied: a policy does not allow the change.
        """
        text = request.path_params["view_id"]
        known = text.isascii() and text.isdecimal() and len(text) <= _ID_DIGITS
        view = next((view for view in await self._list(visitor) if known and view.id == int(text)), None)
        if view is None:
            raise NotFound(
                f"There is no saved view {text[:40]!r}. It may have been deleted: open the list again."
            )
        self._visitors.require(request, visitor, _needed(visitor, view))
        return view

    async def _change(
        self, request: Request, visitor: Visitor, what: str, subject: str, work: Callable[[], None]
    ) -> None:
        """Let `work` make a change in a thread, and record it in the audit trail, done or refused."""
        change = Change(
            key=visitor.key,
            what=what,
            subject=subject,
            source_ip=self._peers.of(request.scope).source_ip,
            request_id=request.scope.get("otpconv.request_id", ""),
        )

        def changed() -> None:
            with recorded(change, self._service.settings.data, self._service.clock):
                work()

        await asyncio.to_thread(changed)


def _needed(visitor: Visitor, view: SavedView) -> str:
    """Return the action that a visitor needs to change a view."""
    return SAVE_ACTION if view.created_by == visitor.key.display_name else MANAGE_ACTION


def _name(form: dict[str, str]) -> str:
    name = form.get("name", "").strip()
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise InvalidRequest(
            f"Invalid name {name[:40]!r} of a view. Use one line of 1 to {MAX_NAME_CHARS} visible characters."
        )
    return name
