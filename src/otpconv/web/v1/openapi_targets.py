"""The part of the OpenAPI document about targets of notifications."""

from typing import Any, Final

from otpconv.access.alert_targets import Quiet, Rules
from otpconv.dialects.native.reports import JSON
from otpconv.web.v1.openapi_parts import answer, problems, ref
from otpconv.web.v1.target_types import (
    TARGETS_PATH,
    TargetDeleted,
    TargetIn,
    TargetOut,
    TargetRetried,
    TargetsOut,
    TargetTested,
)

#: The types that the operations name.
TARGET_SCHEMAS: Final = (
    Quiet,
    Rules,
    TargetDeleted,
    TargetIn,
    TargetOut,
    TargetRetried,
    TargetTested,
    TargetsOut,
)

_REFUSALS: Final = {"401", "403", "429", "503"}
_NAME: Final = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": r"^[A-Za-z0-9._@\-]{1,64}$"},
    "description": "The name of a target",
}


def target_paths() -> dict[str, Any]:
    """Return the operations of `/v1/alert-targets`, by path and method."""
    one = {"parameters": [_NAME]}
    errors = problems(_REFUSALS | {"404"})
    return {
        TARGETS_PATH: {
            "post": {
                "operationId": "createAlertTarget",
                "summary": "Create a target, which gets what happens to alerts from now on",
                "requestBody": {"required": True, "content": {JSON: {"schema": ref(TargetIn)}}},
                "responses": {
                    "201": answer("The new target", TargetOut),
                    **problems(_REFUSALS | {"400", "413"}),
                },
            },
            "get": {
                "operationId": "listAlertTargets",
                "summary": "Where alerts are sent to, by name, and how that is going",
                "responses": {"200": answer("The targets", TargetsOut), **problems(_REFUSALS)},
            },
        },
        f"{TARGETS_PATH}/{{name}}": {
            "get": {
                "operationId": "getAlertTarget",
                "summary": "One target",
                **one,
                "responses": {"200": answer("The target", TargetOut), **errors},
            },
            "delete": {
                "operationId": "deleteAlertTarget",
                "summary": "Delete a target for good, and what waits for it",
                **one,
                "responses": {"200": answer("The target is deleted", TargetDeleted), **errors},
            },
        },
        f"{TARGETS_PATH}/{{name}}/retry": {
            "post": {
                "operationId": "retryAlertTarget",
                "summary": "Send the notifications that were given up again, with their ids",
                **one,
                "responses": {"200": answer("How many wait again", TargetRetried), **errors},
            }
        },
        f"{TARGETS_PATH}/{{name}}/test": {
            "post": {
                "operationId": "testAlertTarget",
                "summary": "Send a test notification now",
                **one,
                "responses": {"200": answer("The result", TargetTested), **errors},
            }
        },
    }
