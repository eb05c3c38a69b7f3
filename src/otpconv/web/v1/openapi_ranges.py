"""The part of the OpenAPI document about number ranges."""

from typing import Any, Final

from otpconv.dialects.native.reports import JSON
from otpconv.ranges.finding import FLAGGED
from otpconv.ranges.question import LIMIT, MAX_LIMIT
from otpconv.web.v1.check import CHECK_PATH, CheckIn, CheckOut
from otpconv.web.v1.openapi_parts import TIME, answer, problems, ref
from otpconv.web.v1.ranges import RANGES_PATH, RangesOut

#: The types that the operations name.
RANGE_SCHEMAS: Final = (CheckIn, CheckOut, RangesOut)


def range_paths() -> dict[str, Any]:
    """Return the operations about number ranges, by path and method."""
    ranges = answer("The ranges", RangesOut)
    ranges["content"]["text/csv"] = {
        "schema": {"type": "string", "description": "A row for each prefix to block"}
    }
    country = {"type": "string", "pattern": "^([A-Za-z]{2})?$"}
    parameters: list[tuple[str, str, dict[str, Any]]] = [
        ("start", f"{TIME}; default: 7 days before the end", {"type": "string"}),
        ("end", f"{TIME}; default: now. Whole hours (UTC)", {"type": "string"}),
        ("country", "ISO 3166 alpha-2; empty: unknown; left out: all", country),
        (
            "min_posterior",
            f"The least probability; default: {FLAGGED}",
            {"type": "number", "minimum": 0, "maximum": 1},
        ),
        (
            "limit",
            f"The most ranges; default: {LIMIT}",
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
        ),
        ("format", "csv: a list to block", {"type": "string", "enum": ["json", "csv"]}),
    ]
    return {
        RANGES_PATH: {
            "get": {
                "operationId": "getRanges",
                "summary": "The number ranges that look like fraud",
                "description": "Many messages, almost none verified. Nothing is blocked.",
                "parameters": [
                    {"name": name, "in": "query", "description": text, "schema": schema}
                    for name, text, schema in parameters
                ],
                "responses": {"200": ranges, **problems({"400", "401", "403", "429", "503"})},
            }
        },
        CHECK_PATH: {
            "post": {
                "operationId": "checkNumber",
                "summary": "How risky a message to a number is",
                "description": "Answers from memory, by an assessment that is renewed at most once a minute."
                " The number is not stored or logged.",
                "requestBody": {"required": True, "content": {JSON: {"schema": ref(CheckIn)}}},
                "responses": {
                    "200": answer("The assessment", CheckOut),
                    **problems({"400", "401", "403", "413", "429", "503"}),
                },
            }
        },
    }
