"""The part of the OpenAPI document about receipts that vendors push."""

from typing import Any, Final

from otpconv.dialects.native.answers import Recorded
from otpconv.dialects.native.reports import JSON
from otpconv.dialects.webhook.receipts import ReceiptIn, Receipts
from otpconv.web.v1.openapi_parts import answer, problems, ref
from otpconv.web.v1.vendor_types import HOOKS_PATH

#: The types that the operation names.
HOOK_SCHEMAS: Final = (ReceiptIn, Receipts)


def hook_paths() -> dict[str, Any]:
    """Return the operation that pushes receipts, by path and method."""
    push = {
        "operationId": "pushReceipts",
        "summary": "Push what happened to messages",
        "description": "In our own JSON. A vendor account of a kind whose receipts are known here takes its"
        " vendor's form instead, and answers in it.",
        "security": [],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in ("name", "secret")
        ],
        "requestBody": {"required": True, "content": {JSON: {"schema": ref(Receipts)}}},
        "responses": {
            "200": answer("What became of the receipts", Recorded),
            **problems({"400", "401", "404", "413", "429", "503"}),
        },
    }
    return {f"{HOOKS_PATH}/{{name}}/{{secret}}": {"post": push}}
