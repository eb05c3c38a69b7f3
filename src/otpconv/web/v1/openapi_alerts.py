"""The part of the OpenAPI document about alerts."""

from typing import Any, Final

from msgspec import Struct

from otpconv.alerts.replaying import MAX_DAYS
from otpconv.dialects.native.reports import JSON
from otpconv.storage.alerts.contract import LASTING, MAX_ALERTS
from otpconv.web.v1.alert_replay import BUDGET, MAX_BUDGET, MIN_BUDGET, REPLAY_PATH, ReplayOut
from otpconv.web.v1.alert_shown import ShownAlertOut
from otpconv.web.v1.alert_types import ALERTS_PATH, AcknowledgeIn, AlertOut, AlertsOut, SnoozeIn
from otpconv.web.v1.alerts import STATES
from otpconv.web.v1.openapi_parts import LAG, TIME, answer, problems, ref, text

#: The types that the operations name.
ALERT_SCHEMAS: Final = (AcknowledgeIn, AlertOut, AlertsOut, ReplayOut, ShownAlertOut, SnoozeIn)

_ID: Final[dict[str, Any]] = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 1, "maximum": 10**15 - 1},
}
_REFUSALS: Final = {"400", "401", "403", "429", "503"}


def alert_paths() -> dict[str, Any]:
    """Return the operations of `/v1/alerts`, by path and method."""
    return {
        ALERTS_PATH: {"get": _list()},
        REPLAY_PATH: {"get": _replay()},
        f"{ALERTS_PATH}/{{id}}": {"get": _get()},
        f"{ALERTS_PATH}/{{id}}/ticket": {"get": _ticket()},
        f"{ALERTS_PATH}/{{id}}/acknowledge": {
            "post": _change("acknowledgeAlert", "Note that somebody takes care of an alert", AcknowledgeIn)
        },
        f"{ALERTS_PATH}/{{id}}/snooze": {
            "post": _change("snoozeAlert", "Silence an alert for some time", SnoozeIn)
        },
    }


def _list() -> dict[str, Any]:
    states = {"type": "array", "items": {"type": "string", "enum": list(STATES)}, "minItems": 1}
    before = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}
    return {
        "operationId": "listAlerts",
        "summary": "Alerts, the newest first",
        "parameters": [
            {
                "name": "state",
                "in": "query",
                "description": f"Comma-separated; default: {','.join(LASTING)}, i.e. those that last",
                "schema": states,
                "style": "form",
                "explode": False,
            },
            _parameter("before", "Only those with smaller ids, for the next page", before),
            _parameter("limit", "How many at most", {"type": "integer", "minimum": 1, "maximum": MAX_ALERTS}),
        ],
        "responses": {"200": answer("The alerts", AlertsOut), **problems(_REFUSALS)},
    }


def _get() -> dict[str, Any]:
    return {
        "operationId": "getAlert",
        "summary": "An alert, and what it shows",
        "description": "Expected and seen over time, its cost, healthy routes, what to do, and its history.",
        "parameters": [_ID],
        "responses": {
            "200": {**answer("The alert", ShownAlertOut), "headers": LAG},
            **problems(_REFUSALS | {"404"}),
        },
    }


def _ticket() -> dict[str, Any]:
    return {
        "operationId": "getAlertTicket",
        "summary": "The text of a ticket for the vendor, without phone numbers",
        "parameters": [_ID],
        "responses": {"200": {**text("The text"), "headers": LAG}, **problems(_REFUSALS | {"404"})},
    }


def _replay() -> dict[str, Any]:
    budget = {"type": "number", "minimum": MIN_BUDGET, "maximum": MAX_BUDGET}
    return {
        "operationId": "replayAlerts",
        "summary": "The falls of conversion rates that a watch would have found in the past",
        "parameters": [
            _parameter("start", f"{TIME}; default: 7 days before the end", {"type": "string"}),
            _parameter("end", f"{TIME}; default: now. At most {MAX_DAYS} days", {"type": "string"}),
            _parameter("budget", f"False alarms in a month that you accept; default: {BUDGET}", budget),
        ],
        "responses": {
            "200": {**answer("The findings", ReplayOut), "headers": LAG},
            **problems(_REFUSALS),
        },
    }


def _change(operation: str, summary: str, body: type[Struct]) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "description": "One that is resolved stays so.",
        "parameters": [_ID],
        "requestBody": {"required": False, "content": {JSON: {"schema": ref(body)}}},
        "responses": {"200": answer("The alert", AlertOut), **problems(_REFUSALS | {"404", "413"})},
    }


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}
