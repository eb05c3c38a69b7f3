"""Which vendor account passes a message on."""

import asyncio
import time
from typing import Any, Final

from otpconv.access.vendors import VendorAccount
from otpconv.dialects.dialect import HttpRequest, UnknownOperation
from otpconv.relay.kind import SEND, Kind, Sending
from otpconv.service.vendors import Vendors

#: A change of vendor accounts is in force after this time, s.
VENDORS_S: Final = 1.0
#: Accounts whose vendor accounts are remembered for that time.
MAX_ACCOUNTS: Final = 1_000
#: Characters of a path that an error text repeats.
_SHOWN_CHARS: Final = 200


class VendorChoice:
    """Chooses vendor accounts. For the thread of the event loop.

    Args:
        vendors: reads the vendor accounts.
    """

    def __init__(self, vendors: Vendors) -> None:
        self._vendors = vendors
        self._known: dict[int, tuple[float, list[VendorAccount]]] = {}

    async def vendor(
        self,
        kind: Kind,
        sending: Sending,
        call: Any,  # noqa: ANN401 - of one dialect
        account: int,
        request: HttpRequest,
    ) -> VendorAccount:
        """Return the only vendor account of an account and a kind that may pass a call on.

        Raises:
            UnknownOperation: none may, or several.
            Unavailable: the storage failed.
        """
        allowed = [
            vendor
            for vendor in await self._of(account)
            if vendor.kind == kind.name and vendor.settings.get(SEND) == "on" and sending.fits(vendor, call)
        ]
        if len(allowed) == 1:
            return allowed[0]
        path = request.path[:_SHOWN_CHARS]
        operation = call.permission.partition(":")[2] if path == "/" else f"{request.method} {path}"
        if allowed:
            count = len(allowed)
            why = f"{count} vendor accounts of the kind {kind.name} may be meant; set send=on for one only"
        else:
            why = f"no vendor account of the kind {kind.name} that may be meant has the setting send=on"
        raise UnknownOperation(operation, why)

    async def _of(self, account: int) -> list[VendorAccount]:
        """Return the vendor accounts of an account as they were `VENDORS_S` ago, or later."""
        read_at, vendors = self._known.get(account, (-VENDORS_S, []))
        now = time.monotonic()
        if now - read_at < VENDORS_S:
            return vendors
        vendors = await asyncio.to_thread(self._vendors.accounts, account)
        if len(self._known) >= MAX_ACCOUNTS:
            self._known.clear()
        self._known[account] = now, vendors
        return vendors
