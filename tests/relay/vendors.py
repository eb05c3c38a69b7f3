"""Vendors for the tests of the relay: kinds whose calls and answers are the simplest there are."""

from collections.abc import Sequence

import msgspec

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.connection import Response
from otpconv.delivery.transport import DELIVERED, Outcome
from otpconv.delivery.verdicts import of_status, wait_ms
from otpconv.relay.kind import Call, Kind, Setting, Stamp
from otpconv.storage.relay.contract import Send

HOUR_MS = 3_600_000


def _make(vendor: VendorAccount, sends: Sequence[Send], stamp: Stamp) -> Call:
    body = msgspec.json.encode([[send.message_id, send.feedback, send.at] for send in sends])
    return Call("/feedback", {"x-vendor": vendor.name, "x-nonce": stamp.nonce}, body)


def _read(answer: Response, sends: Sequence[Send], now: int) -> list[Outcome]:
    if answer.status == 200:
        return [DELIVERED] * len(sends)
    code = answer.headers.get("x-code", "")
    return [of_status(answer.status, code, f"HTTP {answer.status}", wait_ms(answer.headers, now))] * len(
        sends
    )


def kind(name: str = "plain", **policy: object) -> Kind:
    """A kind with the given policy."""
    settings = (Setting("endpoint", "URL"),)
    return Kind(name, "a vendor", settings, _make, _read, **({"per_second": 100_000} | policy))  # type: ignore[arg-type]


KINDS = {
    each.name: each
    for each in (
        kind(),
        kind("positive", feedbacks=frozenset({"received"})),
        kind("harmful", repeat="harmful"),
        kind("timer", silence="failed", negative_after_ms=55 * 60_000),
        kind("batched", batch=10),
    )
}


def vendor(number: int = 1, kind: str = "plain", **fields: object) -> VendorAccount:
    """A vendor account of the account 1."""
    usual = {
        "name": f"vendor-{number}",
        "provider": f"provider-{number}",
        "settings": {"endpoint": "http://127.0.0.1:1"},
        "secrets": {},
        "id": number,
        "account": 1,
    }
    return VendorAccount(kind=kind, **(usual | fields))  # type: ignore[arg-type]
