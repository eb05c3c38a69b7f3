"""The part of the OpenAPI document about targets of notifications."""

from typing import Any, Final

from otpconv.access.alert_targets import Quiet, Rules
from otpconv.dialects.native.reports import JSON
from otpconv.web.v1.openapi_parts import answer, name_of, problems, ref
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
_NAME: Final = name_of("a target")


_ONE: Final = {"parameters": [_NAME]}
_ERRORS: Final = problems(_REFUSALS | {"404"})


def target_paths() -> dict[str, Any]:
    """Return the operations of `/v1/alert-targets`, by path and method."""
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
                **_ONE,
                "responses": {"200": answer("The target", TargetOut), **_ERRORS},
            },
            "delete": {
                "operationId": "deleteAlertTarget",
                "summary": "Delete a target for good, and what waits for it",
                **_ONE,
                "responses": {"200": answer("The target is deleted", TargetDeleted), **_ERRORS},
            },
        },
        **_actions(),
    }


def _actions() -> dict[str, Any]:
    """Return the operations that send to a target."""
    return {
        f"{TARGETS_PATH}/{{name}}/retry": {
            "post": {
                "operationId": "retryAlertTarget",
                "summary": "Send the notifications that were given up again, with their ids",
                **_ONE,
                "responses": {"200": answer("How many wait again", TargetRetried), **_ERRORS},
            }
        },
        f"{TARGETS_PATH}/{{name}}/test": {
            "post": {
                "operationId": "testAlertTarget",
                "summary": "Send a test notification now",
                **_ONE,
                "responses": {"200": answer("The result", TargetTested), **_ERRORS},
            }
        },
    }
