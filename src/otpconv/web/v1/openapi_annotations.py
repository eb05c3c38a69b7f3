"""The part of the OpenAPI document about annotations."""

from typing import Any, Final

from otpconv.dialects.native.reports import JSON
from otpconv.web.v1.annotations import (
    ANNOTATIONS_PATH,
    AnnotationDeleted,
    AnnotationIn,
    AnnotationOut,
    AnnotationsOut,
)
from otpconv.web.v1.openapi_parts import TIME, answer, problems, ref

#: The types that the operations name.
ANNOTATION_SCHEMAS: Final = (AnnotationDeleted, AnnotationIn, AnnotationOut, AnnotationsOut)


def annotation_paths() -> dict[str, Any]:
    """Return the operations of `/v1/annotations`, by path and method."""
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
