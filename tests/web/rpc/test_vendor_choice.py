"""The vendor account that passes a message on is looked up at most once a second for each account."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from otpconv.access.vendors import VendorAccount
from otpconv.dialects.dialect import HttpRequest, UnknownOperation
from otpconv.relay.kinds import KINDS
from otpconv.web.rpc import vendor_choice
from otpconv.web.rpc.vendor_choice import VendorChoice


class Vendors:
    """One vendor account in each account but the first."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def accounts(self, account: int | None = None) -> list[VendorAccount]:
        assert account is not None
        self.asked.append(account)
        one = VendorAccount(
            id=1, account=account, name="v", kind="alibaba", provider="p", settings={"send": "on"}, secrets={}
        )
        return [one] if account else []


def test_what_was_read_is_remembered_briefly_and_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    vendors: Any = Vendors()
    choice = VendorChoice(vendors)
    kind = KINDS["alibaba"]
    sending = kind.sending
    assert sending is not None
    call = SimpleNamespace(permission="twilio:CreateMessage")

    async def choose(account: int, path: str = "/") -> VendorAccount:
        return await choice.vendor(kind, sending, call, account, HttpRequest("POST", path, b"", {}))

    async def run() -> None:
        for account in (1, 2, 1, 2):
            assert (await choose(account)).account == account
        assert vendors.asked == [1, 2]
        monkeypatch.setattr(vendor_choice, "MAX_ACCOUNTS", 2)
        await choose(3)
        await choose(1)
        assert vendors.asked == [1, 2, 3, 1]
        monkeypatch.setattr(vendor_choice, "VENDORS_S", 0.0)
        await choose(1)
        assert vendors.asked == [1, 2, 3, 1, 1]
        with pytest.raises(UnknownOperation) as caught:
            await choose(0, "/" + "x" * 1_000)
        assert "x" * 199 in caught.value.text
        assert "x" * 200 not in caught.value.text

    asyncio.run(run())
