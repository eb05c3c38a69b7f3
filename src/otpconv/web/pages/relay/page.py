"""The page of the relay: how it is doing, dead letters, and its switches."""

import asyncio
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from otpconv.service.administration import Stores
from otpconv.service.changes import Change
from otpconv.service.compose import Service
from otpconv.service.vendor_values import kind_of
from otpconv.service.vendors import RelayState
from otpconv.storage.relay.contract import Evidence
from otpconv.web.pages.administration.desk import Desk, done
from otpconv.web.pages.page import Page
from otpconv.web.pages.visitors import Visitor

RELAY_PATH: Final = "/relay"
#: Dead letters of each vendor account that are shown; `otpconv relay dead-letters` lists more.
MAX_SHOWN: Final = 20
_OPERATE: Final = "otpconv:ManageRelay"


class RelayPage:
    """`/relay`.

    Args:
        desk: lays the page out, reads forms and records changes.
        service: has the vendor accounts.
    """

    def __init__(self, desk: Desk, service: Service) -> None:
        self._desk = desk
        self._service = service
        self._vendors = service.vendors

    def pages(self) -> list[Page]:
        """Return the page and its switches, and the action that each needs."""
        return [
            Page("/relay", "GET", self.show, "otpconv:GetRelay"),
            Page("/relay/{name}/pause", "POST", self.pause, _OPERATE),
            Page("/relay/{name}/resume", "POST", self.resume, _OPERATE),
            Page("/relay/{name}/retry", "POST", self.retry, _OPERATE),
        ]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Answer with each vendor account, and its newest dead letters."""
        account = visitor.key.account

        def read() -> list[tuple[RelayState, list[Evidence]]]:
            states = self._vendors.states(account)
            return [(state, self._vendors.letters(account, state.vendor.name, MAX_SHOWN)) for state in states]

        return self._desk.page(
            "relay.html",
            RELAY_PATH,
            visitor,
            relays=await asyncio.to_thread(read),
            remedy=lambda vendor, code: kind_of(vendor.kind).remedy(code),
            may=self._desk.allowed(request, visitor, [_OPERATE]),
            done=request.query_params.get("done", ""),
            problem="",
        )

    async def pause(self, request: Request, visitor: Visitor) -> Response:
        """Pause the relay to a vendor account."""
        return await self._switch(request, visitor, "PauseRelay", "relay-paused", paused=True)

    async def resume(self, request: Request, visitor: Visitor) -> Response:
        """Resume the relay to a vendor account."""
        return await self._switch(request, visitor, "ResumeRelay", "relay-resumed", paused=False)

    async def retry(self, request: Request, visitor: Visitor) -> Response:
        """Send the dead letters of a vendor account again."""
        await self._desk.form(request, visitor)
        name, account = request.path_params["name"], visitor.key.account

        def work(_: Stores, __: Change) -> int:
            return self._vendors.retry(account, name, None)

        await self._desk.change(request, visitor, "RetryRelay", f"vendor {name[:64]}", work)
        return done(RELAY_PATH, "relay-retried")

    async def _switch(
        self, request: Request, visitor: Visitor, what: str, text: str, *, paused: bool
    ) -> Response:
        await self._desk.form(request, visitor)
        name, account = request.path_params["name"], visitor.key.account

        def work(_: Stores, __: Change) -> None:
            self._vendors.set_paused(account, name, paused=paused)

        await self._desk.change(request, visitor, what, f"vendor {quote(name[:64])}", work)
        return done(RELAY_PATH, text)
