"""`/v1/vendors` and `/v1/relay`: vendor accounts, and the relay of conversions to them."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from otpconv.access.keys import AccessKey
from otpconv.access.vendors import VendorAccount
from otpconv.errors import InvalidRequest
from otpconv.service.compose import Service
from otpconv.storage.relay.contract import MAX_LETTERS
from otpconv.web.front.body import Bodies
from otpconv.web.front.gate import Gate
from otpconv.web.v1.handlers import ChangingHandlers, json_response
from otpconv.web.v1.vendor_types import (
    LettersOut,
    ReceiptsIn,
    RelayOut,
    RelaySwitched,
    Retried,
    RetryIn,
    SendingIn,
    VendorDeleted,
    VendorIn,
    VendorsOut,
    VendorTested,
    letter_out,
    receipts_out,
    state_out,
    vendor_out,
)

#: Dead letters of an answer, unless the request asks for another number.
_LETTERS: Final = 100

_MANAGE, _READ, _OPERATE = "otpconv:ManageVendors", "otpconv:GetRelay", "otpconv:ManageRelay"
_T = TypeVar("_T")


class VendorsApi(ChangingHandlers):
    """The handlers of `/v1/vendors` and `/v1/relay`. The disk is used beside the event loop.

    Args:
        service: has the vendor accounts.
        bodies: reads bodies.
        gate: finds out where a request came from.
        caller: authenticates a request for an action.
        public_url: what the URLs for receipts begin with.
    """

    def __init__(
        self,
        service: Service,
        bodies: Bodies,
        gate: Gate,
        caller: Callable[[Request, str], AccessKey],
        public_url: str,
    ) -> None:
        super().__init__(service, bodies, gate, caller)
        self._vendors = service.vendors
        self._public_url = public_url

    def routes(self) -> "list[Route]":
        """Return the routes of the handlers."""
        return [
            Route("/v1/vendors", self.post, methods=["POST"]),
            Route("/v1/vendors", self.list, methods=["GET"]),
            Route("/v1/vendors/{name}", self.delete, methods=["DELETE"]),
            Route("/v1/vendors/{name}/test", self.test, methods=["POST"]),
            Route("/v1/vendors/{name}/send", self.send, methods=["POST"]),
            Route("/v1/vendors/{name}/receipts", self.receipts, methods=["POST"]),
            Route("/v1/relay", self.states, methods=["GET"]),
            Route("/v1/relay/{name}/pause", self.pause, methods=["POST"]),
            Route("/v1/relay/{name}/resume", self.resume, methods=["POST"]),
            Route("/v1/relay/{name}/dead-letters", self.letters, methods=["GET"]),
            Route("/v1/relay/{name}/retry", self.retry, methods=["POST"]),
        ]

    async def post(self, request: Request) -> Response:
        """Create a vendor account."""
        key = self._caller(request, _MANAGE)
        given = await self._read_json(request, key, VendorIn)

        def create() -> VendorAccount:
            return self._vendors.create(
                key.account,
                given.name,
                given.kind,
                given.provider,
                values=given.settings,
                per_second=given.per_second,
            )

        vendor = await self._change(request, key, "CreateVendor", given.name[:64], create)
        return json_response(vendor_out(vendor), status=201)

    async def list(self, request: Request) -> Response:
        """Answer with the vendor accounts."""
        key = self._caller(request, _MANAGE)
        vendors = await asyncio.to_thread(self._vendors.accounts, key.account)
        return json_response(VendorsOut([vendor_out(vendor) for vendor in vendors]))

    async def delete(self, request: Request) -> Response:
        """Delete a vendor account."""
        key = self._caller(request, _MANAGE)
        name = request.path_params["name"]
        await self._change(
            request, key, "DeleteVendor", name, lambda: self._vendors.delete(key.account, name)
        )
        return json_response(VendorDeleted(name))

    async def test(self, request: Request) -> Response:
        """Call the vendor to prove the credentials."""
        key = self._caller(request, _MANAGE)
        tested = await asyncio.to_thread(self._vendors.test, key.account, request.path_params["name"])
        return json_response(VendorTested(tested.proven, tested.code, tested.text))

    async def receipts(self, request: Request) -> Response:
        """Answer where the vendor pushes receipts, after a change; the audit trail gets a line."""
        key = self._caller(request, _MANAGE)
        given = await self._read_json(request, key, ReceiptsIn)
        name = request.path_params["name"]

        def receipts() -> VendorAccount:
            return self._vendors.receipts(key.account, name, given.settings, new_secret=given.new_secret)

        what = "ChangeReceipts" if given.settings or given.new_secret else "GetReceiptsUrl"
        vendor = await self._change(request, key, what, name, receipts)
        return json_response(receipts_out(vendor, self._public_url))

    async def send(self, request: Request) -> Response:
        """Let a vendor account send messages, or not."""
        key = self._caller(request, _MANAGE)
        given = await self._read_json(request, key, SendingIn)
        name, on = request.path_params["name"], given.send == "on"

        def switch() -> VendorAccount:
            return self._vendors.set_sending(key.account, name, on=on)

        vendor = await self._change(request, key, "AllowSending" if on else "ForbidSending", name, switch)
        return json_response(vendor_out(vendor))

    async def states(self, request: Request) -> Response:
        """Answer how the relay is doing."""
        key = self._caller(request, _READ)
        states = await asyncio.to_thread(self._vendors.states, key.account)
        return json_response(RelayOut([state_out(state) for state in states]))

    async def pause(self, request: Request) -> Response:
        """Pause the relay to a vendor account."""
        return await self._switch(request, "PauseRelay", paused=True)

    async def resume(self, request: Request) -> Response:
        """Resume the relay to a vendor account."""
        return await self._switch(request, "ResumeRelay", paused=False)

    async def letters(self, request: Request) -> Response:
        """Answer with the newest dead letters of a vendor account."""
        key = self._caller(request, _READ)
        name, limit = request.path_params["name"], request.query_params.get("limit", str(_LETTERS))
        if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit[:9]) <= MAX_LETTERS):
            raise InvalidRequest(f"Invalid limit {limit[:40]!r}. Use 1 to {MAX_LETTERS:,}.")
        letters = await asyncio.to_thread(self._vendors.letters, key.account, name, int(limit))
        kinds = {
            vendor.id: vendor.kind for vendor in await asyncio.to_thread(self._vendors.accounts, key.account)
        }
        return json_response(LettersOut([letter_out(letter, kinds) for letter in letters]))

    async def retry(self, request: Request) -> Response:
        """Send dead letters again."""
        key = self._caller(request, _OPERATE)
        given = await self._read_json(request, key, RetryIn)
        name = request.path_params["name"]

        def retry() -> int:
            return self._vendors.retry(key.account, name, given.message_id)

        return json_response(Retried(await self._change(request, key, "RetryRelay", name, retry)))

    async def _switch(self, request: Request, what: str, *, paused: bool) -> Response:
        key = self._caller(request, _OPERATE)
        name = request.path_params["name"]

        def switch() -> None:
            self._vendors.set_paused(key.account, name, paused=paused)

        await self._change(request, key, what, name, switch)
        return json_response(RelaySwitched(name, paused))

    async def _change(
        self, request: Request, key: AccessKey, what: str, name: str, work: Callable[[], _T]
    ) -> _T:
        return await self._make_change(request, key, what, f"vendor {name[:64]}", work)
