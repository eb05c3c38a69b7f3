"""The part of the OpenAPI document about vendor accounts and the relay."""

from typing import Any, Final

from msgspec import Struct
from msgspec.structs import fields

from otpconv.dialects.native.reports import JSON
from otpconv.storage.relay.contract import MAX_LETTERS
from otpconv.web.v1.openapi_parts import answer, name_of, problems, ref
from otpconv.web.v1.vendor_types import (
    LettersOut,
    ReceiptsIn,
    ReceiptsOut,
    RelayOut,
    RelaySwitched,
    Retried,
    RetryIn,
    VendorDeleted,
    VendorIn,
    VendorOut,
    VendorsOut,
    VendorTested,
)

#: The types that the operations name.
VENDOR_SCHEMAS: Final = (
    LettersOut,
    ReceiptsIn,
    ReceiptsOut,
    RelayOut,
    RelaySwitched,
    Retried,
    RetryIn,
    VendorDeleted,
    VendorIn,
    VendorOut,
    VendorTested,
    VendorsOut,
)

_REFUSALS: Final = {"401", "403", "429", "503"}
_NAME: Final = name_of("a vendor account")
_LIMIT: Final = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LETTERS, "default": 100},
    "description": "How many at most, the newest first",
}


def vendor_paths() -> dict[str, Any]:
    """Return the operations of `/v1/vendors` and `/v1/relay`, by path and method."""
    return {**_accounts(), **_relay()}


def _accounts() -> dict[str, Any]:
    return {
        "/v1/vendors": {
            "post": _operation(
                "createVendor",
                "Create a vendor account; conversions that are acknowledged from now on are passed on to it",
                ("The new vendor account", VendorOut),
                body=VendorIn,
                status="201",
            ),
            "get": _operation("listVendors", "The vendor accounts, by name", ("Them", VendorsOut)),
        },
        "/v1/vendors/{name}": {
            "delete": _operation(
                "deleteVendor",
                "Delete a vendor account for good, and the reports that wait for it",
                ("The vendor account is deleted", VendorDeleted),
                _NAME,
            )
        },
        "/v1/vendors/{name}/test": {
            "post": _operation(
                "testVendor",
                "Call the vendor to prove the credentials; the call changes nothing there",
                ("The result", VendorTested),
                _NAME,
            )
        },
        "/v1/vendors/{name}/receipts": {
            "post": _operation(
                "vendorReceipts",
                "Where the vendor pushes receipts, after a change of their settings or of the secret",
                ("The URL, which has a secret", ReceiptsOut),
                _NAME,
                body=ReceiptsIn,
            )
        },
    }


def _relay() -> dict[str, Any]:
    return {
        "/v1/relay": {
            "get": _operation("getRelay", "The state of the relay to each vendor account", ("It", RelayOut))
        },
        "/v1/relay/{name}/pause": {
            "post": _operation("pauseRelay", "Let everything wait", ("It is paused", RelaySwitched), _NAME)
        },
        "/v1/relay/{name}/resume": {
            "post": _operation("resumeRelay", "Go on", ("It goes on", RelaySwitched), _NAME)
        },
        "/v1/relay/{name}/dead-letters": {
            "get": _operation(
                "listDeadLetters",
                "The reports that the vendor refused, and those of unknown outcome",
                ("The newest of them", LettersOut),
                _NAME,
                _LIMIT,
            )
        },
        "/v1/relay/{name}/retry": {
            "post": _operation(
                "retryDeadLetters",
                f"Send dead letters again, at most {MAX_LETTERS:,}",
                ("How many wait again", Retried),
                _NAME,
                body=RetryIn,
            )
        },
    }


def _operation(
    name: str,
    summary: str,
    success: tuple[str, type[Struct]],
    *parameters: dict[str, Any],
    body: type[Struct] | None = None,
    status: str = "200",
) -> dict[str, Any]:
    """Return an operation; without parameters or a body, nothing about its request can be wrong."""
    described: dict[str, Any] = {"operationId": name, "summary": summary}
    statuses = set(_REFUSALS)
    if parameters:
        described["parameters"] = list(parameters)
        statuses.add("404")
    if body is not None:
        required = any(field.required for field in fields(body))
        described["requestBody"] = {"required": required, "content": {JSON: {"schema": ref(body)}}}
        statuses.add("413")
    if body is not None or _LIMIT in parameters:
        statuses.add("400")
    described["responses"] = {status: answer(*success), **problems(statuses)}
    return described
