"""The description of the native API, made from the types that validate its requests and are its answers."""

from typing import Any

import msgspec

from otpconv import __version__
from otpconv.advice.dividing import Limits
from otpconv.advice.question import LIMITS, MAX_SEED
from otpconv.dialects.native.answers import FoundMessages, MessageOut, Problem, Recorded
from otpconv.dialects.native.reports import (
    CONVERSIONS_PATH,
    JSON,
    MESSAGES_PATH,
    NDJSON,
    SEARCH_PATH,
    ConversionIn,
    Conversions,
    MessageIn,
    Messages,
    MessageSearch,
)
from otpconv.model import MESSAGE_ID_PATTERN, MESSAGE_ID_RULE
from otpconv.rates import COMPARISONS, INTERVALS, LEVELS, ORDERS
from otpconv.storage.contract import DIMENSIONS
from otpconv.web.v1.advice import ADVICE_PATH, AdviceOut
from otpconv.web.v1.openapi_alerts import ALERT_SCHEMAS, alert_paths
from otpconv.web.v1.openapi_annotations import ANNOTATION_SCHEMAS, annotation_paths
from otpconv.web.v1.openapi_hooks import HOOK_SCHEMAS, hook_paths
from otpconv.web.v1.openapi_parts import LAG, TIME, answer, problems, ref, text
from otpconv.web.v1.openapi_ranges import RANGE_SCHEMAS, range_paths
from otpconv.web.v1.openapi_targets import TARGET_SCHEMAS, target_paths
from otpconv.web.v1.openapi_vendors import VENDOR_SCHEMAS, vendor_paths
from otpconv.web.v1.rate_formats import FORMATS
from otpconv.web.v1.rate_types import Rates

_SCHEMAS = (
    AdviceOut,
    ConversionIn,
    Conversions,
    FoundMessages,
    MessageIn,
    MessageOut,
    MessageSearch,
    Messages,
    Problem,
    Rates,
    Recorded,
    *ALERT_SCHEMAS,
    *ANNOTATION_SCHEMAS,
    *HOOK_SCHEMAS,
    *RANGE_SCHEMAS,
    *TARGET_SCHEMAS,
    *VENDOR_SCHEMAS,
)


def document(public_url: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the server at `public_url`."""
    _, components = msgspec.json.schema_components(_SCHEMAS, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "otpconv",
            "version": __version__,
            "description": "Conversion rates of one-time passwords: verified / requested.",
        },
        "servers": [{"url": public_url}],
        "security": [{"accessKey": []}],
        "paths": {
            MESSAGES_PATH: {
                "post": _post("recordMessages", "Record that messages were requested", MessageIn)
            },
            CONVERSIONS_PATH: {
                "post": _post("recordConversions", "Record whether codes were typed back", ConversionIn)
            },
            f"{MESSAGES_PATH}/{{message_id}}": {"get": _get_message()},
            SEARCH_PATH: {"post": _search()},
            "/v1/rates": {"get": _get_rates()},
            ADVICE_PATH: {"get": _get_advice()},
            **alert_paths(),
            **range_paths(),
            **annotation_paths(),
            **target_paths(),
            **vendor_paths(),
            **hook_paths(),
            "/healthz": {"get": _probe("healthz", "Whether the process lives", {})},
            "/readyz": {
                "get": _probe("readyz", "Whether it does its work", {"503": text("It does not, and why")})
            },
        },
        "components": {
            "schemas": components,
            "securitySchemes": {
                "accessKey": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "AccessKeyId and AccessKeySecret",
                }
            },
        },
    }


def _post(operation: str, summary: str, item: type[MessageIn | ConversionIn]) -> dict[str, Any]:
    envelope = Messages if item is MessageIn else Conversions
    return {
        "operationId": operation,
        "summary": summary,
        "description": "A bad item does not affect the others: `rejected` names its place. A `to` that is "
        "not a phone number is left out, `ignored` names its place, and the rest of the item is recorded. "
        "Only a conversion without message_id is rejected for it.",
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": ref(envelope)},
                NDJSON: {
                    "schema": {"type": "string", "description": f"One {item.__name__} a line, 1 to 10,000"}
                },
            },
        },
        "responses": {
            "200": answer("What became of the batch", Recorded),
            **problems({"400", "401", "403", "413", "415", "429", "503"}),
        },
    }


def _get_message() -> dict[str, Any]:
    return {
        "operationId": "getMessage",
        "summary": "The state of one message",
        "parameters": [
            {
                "name": "message_id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": f"^{MESSAGE_ID_PATTERN}$"},
                "description": f"{MESSAGE_ID_RULE}; percent-encode what a path can't hold, e.g. / ? # %",
            }
        ],
        "responses": {
            "200": {**answer("The message", MessageOut), "headers": LAG},
            **problems({"401", "403", "404", "429", "503"}),
        },
    }


def _search() -> dict[str, Any]:
    return {
        "operationId": "searchMessages",
        "summary": "The newest messages to a number",
        "description": "The number is in the body, so that no log of URLs contains it. Needs the policy"
        " action otpconv:FindMessages, and leaves a line in the audit trail.",
        "requestBody": {"required": True, "content": {JSON: {"schema": ref(MessageSearch)}}},
        "responses": {
            "200": {**answer("The messages", FoundMessages), "headers": LAG},
            **problems({"400", "401", "403", "413", "429", "503"}),
        },
    }


def _get_rates() -> dict[str, Any]:
    rates = answer("The rates", Rates)
    rates["headers"] = LAG
    rates["content"]["text/csv"] = {"schema": {"type": "string", "description": "A header row, then rows"}}
    rates["content"]["application/vnd.apache.parquet"] = {"schema": {"type": "string", "format": "binary"}}
    return {
        "operationId": "getRates",
        "summary": "Conversion rates of the messages requested in a window",
        "parameters": [
            {"name": name, "in": "query", "description": description, "schema": schema}
            for name, description, schema in _rates_parameters()
        ],
        "responses": {"200": rates, **problems({"400", "401", "403", "429", "503"})},
    }


def _get_advice() -> dict[str, Any]:
    usual = msgspec.structs.asdict(Limits())
    confirmed = "Providers whose gain has no limit"
    parameters = [
        ("country", "ISO 3166 alpha-2; empty: unknown", {"type": "string", "pattern": "^([A-Za-z]{2})?$"}),
        (
            "seed",
            "Repeats an answer; default: the number of the day",
            {"type": "integer", "minimum": 0, "maximum": MAX_SEED},
        ),
        ("confirmed", confirmed, {"type": "array", "items": {"type": "string"}}),
        *(
            (name, f"{text}; default: {usual[name]}", {"type": "number", "minimum": 0, "maximum": most})
            for name, (most, text) in LIMITS.items()
        ),
    ]
    return {
        "operationId": "getAdvice",
        "summary": "How to divide the first attempts to a country among providers",
        "description": "Nothing is sent or changed.",
        "parameters": [
            {
                "name": name,
                "in": "query",
                "description": text,
                "schema": schema,
                "required": name == "country",
            }
            for name, text, schema in parameters
        ],
        "responses": {
            "200": {**answer("The advice", AdviceOut), "headers": LAG},
            **problems({"400", "401", "403", "429", "503"}),
        },
    }


def _rates_parameters() -> list[tuple[str, str, dict[str, Any]]]:
    orders = [*ORDERS, *(f"-{name}" for name in ORDERS)]
    levels = "; ".join(f"{name}: {text}" for name, text in LEVELS.items())
    filters = {"type": "array", "items": {"type": "string"}}
    return [
        ("start", f"{TIME}; default: 24 hours before the end", {"type": "string"}),
        ("end", f"{TIME}; default: now. The window is half-open", {"type": "string"}),
        ("interval", "Split the window; left out: one row", {"type": "string", "enum": list(INTERVALS)}),
        ("by", f"Comma-separated dimensions: {', '.join(DIMENSIONS)}", {"type": "string"}),
        ("tz", "IANA time zone of 1d and of words in start and end; default: UTC", {"type": "string"}),
        ("level", f"The unit to count; {levels}", {"type": "string", "enum": list(LEVELS)}),
        (
            "compare",
            "With the same hours of the day or week before, or with the time just before",
            {"type": "string", "enum": list(COMPARISONS)},
        ),
        ("order", "Of the rows; after a minus, largest first", {"type": "string", "enum": orders}),
        ("top", "The number of groups; all others share one row", {"type": "integer", "minimum": 1}),
        (
            "min_requested",
            "Groups with less go into the row for all others",
            {"type": "integer", "minimum": 0},
        ),
        (
            "without_ranges",
            "Also the rate without number ranges that look like fraud; widens the window to whole hours",
            {"type": "string", "enum": ["true", "false"]},
        ),
        ("format", "Overrides the Accept header", {"type": "string", "enum": list(FORMATS)}),
        *((name, f"Only this {name}, or these; empty: unknown", filters) for name in DIMENSIONS),
    ]


def _probe(operation: str, summary: str, others: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "security": [],
        "responses": {"200": text("Yes"), **others},
    }
