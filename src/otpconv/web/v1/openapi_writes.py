"""The descriptions of annotations and of receipts, as OpenAPI writes them."""

from typing import Any

from otpconv.dialects.native.answers import Recorded
from otpconv.dialects.native.reports import JSON
from otpconv.dialects.webhook.receipts import Receipts
from otpconv.web.v1.annotations import (
    ANNOTATIONS_PATH,
    AnnotationDeleted,
    AnnotationIn,
    AnnotationOut,
    AnnotationsOut,
)
from otpconv.web.v1.openapi_parts import TIME, answer, problems, ref


def annotations() -> dict[str, Any]:
    """Return the operations with annotations, by path."""
    window = [
        {"name": name, "in": "query", "description": description, "schema": {"type": "string"}}
        for name, description in (
            ("start", f"{TIME}; default: the first annotation"),
            ("end", f"{TIME}; default: the last annotation. The window is half-open"),
        )
    ]
    identity = {
        "name": "annotation_id",
        "in": "path",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
    refusals = {"400", "401", "403", "429", "503"}
    return {
        ANNOTATIONS_PATH: {
            "post": {
                "operationId": "createAnnotation",
                "summary": "Mark a time in charts, e.g. a release or an incident",
                "requestBody": {"required": True, "content": {JSON: {"schema": ref(AnnotationIn)}}},
                "responses": {
                    "201": answer("The new annotation", AnnotationOut),
                    **problems(refusals | {"413"}),
                },
            },
            "get": {
                "operationId": "listAnnotations",
                "summary": "The annotations of a window, by time",
                "parameters": window,
                "responses": {"200": answer("The annotations", AnnotationsOut), **problems(refusals)},
            },
        },
        f"{ANNOTATIONS_PATH}/{{annotation_id}}": {
            "delete": {
                "operationId": "deleteAnnotation",
                "summary": "Delete an annotation for good",
                "parameters": [identity],
                "responses": {
                    "200": answer("The annotation is deleted", AnnotationDeleted),
                    **problems(refusals - {"400"} | {"404"}),
                },
            }
        },
    }


def push() -> dict[str, Any]:
    """Return the operation that pushes receipts."""
    return {
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
