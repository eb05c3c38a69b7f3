"""Parts of the OpenAPI document that many operations have in common."""

from typing import Any, Final

import msgspec

from otpconv.dialects.native.answers import Problem
from otpconv.dialects.native.reports import JSON
from otpconv.web.v1.rate_formats import LAG_HEADER

#: How a time in a query is written, for people.
TIME: Final = "Milliseconds since 1970 UTC, ISO 8601, or words: `yesterday`, `monday 9:30`, `7d`, `2h ago`"

#: The header of answers from the ledger.
LAG: Final = {
    LAG_HEADER: {
        "description": "Reports acknowledged before the question that this answer lacks; 0 normally",
        "schema": {"type": "integer"},
    }
}


def text(description: str) -> dict[str, Any]:
    """Return a response of plain text."""
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


def answer(description: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return a response with a value as JSON."""
    return {"description": description, "content": {JSON: {"schema": ref(kind)}}}


def problems(statuses: set[str]) -> dict[str, Any]:
    """Return the responses that are errors, by their HTTP status."""
    content = {"application/problem+json": {"schema": ref(Problem)}}
    return {status: {"description": "Why not, in detail", "content": content} for status in sorted(statuses)}


def ref(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return a reference to the schema of a type."""
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def name_of(what: str) -> dict[str, Any]:
    """Return the parameter of a path that names something of an account, e.g. `a vendor account`."""
    return {
        "name": "name",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": r"^[A-Za-z0-9._@\-]{1,64}$"},
        "description": f"The name of {what}",
    }
