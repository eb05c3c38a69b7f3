"""`/v1/annotations`: creates, lists and deletes the annotations of an account."""

import asyncio
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from otpconv.dialects.native.fields import LATEST_MS
from otpconv.errors import InvalidRequest, NotFound
from otpconv.parameters import parse_once
from otpconv.storage.annotations import MAX_TEXT_CHARS, Annotation
from otpconv.times import parse_time
from otpconv.web.v1.handlers import ChangingHandlers, json_response

ANNOTATIONS_PATH: Final = "/v1/annotations"
#: The highest id of an annotation that is looked up, digits.
_ID_DIGITS: Final = 15
_DESCRIBED: Final = "The time that it marks, e.g. `2026-01-31T12:00Z`, `2h ago` or in ms; default: now"


class AnnotationIn(Struct, forbid_unknown_fields=True):
    """A new annotation, e.g. a release or an incident."""

    text: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_TEXT_CHARS,
            description=f"One line, 1 to {MAX_TEXT_CHARS} characters",
            examples=["Release 2.4"],
        ),
    ]
    at: Annotated[int | str | None, Meta(extra_json_schema={"description": _DESCRIBED})] = None


class AnnotationOut(Struct):
    """An annotation; times are in ms, UTC."""

    id: int
    at: int
    text: str
    created_by: str
    created_at: int


class AnnotationsOut(Struct):
    """The annotations of an account in a window, by time."""

    annotations: list[AnnotationOut]


class AnnotationDeleted(Struct):
    """The id of the annotation that was deleted."""

    deleted: int


class AnnotationsApi(ChangingHandlers):
    """The handlers of `/v1/annotations`. The disk is used beside the event loop."""

    def routes(self) -> "list[Route]":
        """Return the routes of the handlers."""
        return [
            Route("/v1/annotations", self.post, methods=["POST"]),
            Route("/v1/annotations", self.list, methods=["GET"]),
            Route("/v1/annotations/{annotation_id}", self.delete, methods=["DELETE"]),
        ]

    async def post(self, request: Request) -> Response:
        """Create an annotation."""
        key = self._caller(request, "otpconv:CreateAnnotation")
        given = await self._read_json(request, key, AnnotationIn, 'JSON, e.g. {"text": "Release 2.4"}')
        if not given.text.isprintable() or not given.text.strip():
            raise InvalidRequest("Invalid text: it must be one line of visible characters.")
        now = self._service.clock()
        at = now if given.at is None else parse_time(str(given.at), "at", now=now)

        def create() -> Annotation:
            return self._service.annotations.create(
                key.account, at, given.text, created_by=key.display_name, now=now
            )

        created = await self._make_change(
            request, key, "CreateAnnotation", "annotation", create, named=lambda made: f"annotation {made.id}"
        )
        return json_response(_out(created), status=201)

    async def list(self, request: Request) -> Response:
        """Answer with the annotations of a window; by default, all."""
        key = self._caller(request, "otpconv:ListAnnotations")
        now = self._service.clock()
        given = parse_once(request.query_params.multi_items(), ("start", "end"))
        window = {name: parse_time(value, name, now=now) for name, value in given.items()}
        found = await asyncio.to_thread(
            self._service.annotations.between,
            key.account,
            window.get("start", 0),
            window.get("end", LATEST_MS + 1),
        )
        return json_response(AnnotationsOut([_out(annotation) for annotation in found]))

    async def delete(self, request: Request) -> Response:
        """Delete an annotation."""
        key = self._caller(request, "otpconv:DeleteAnnotation")
        text = request.path_params["annotation_id"]
        if not (text.isascii() and text.isdecimal() and len(text) <= _ID_DIGITS):
            raise NotFound(f"There is no annotation {text[:40]!r}. Ids are whole numbers.")

        def delete() -> Annotation:
            return self._service.annotations.delete(key.account, int(text))

        deleted = await self._make_change(request, key, "DeleteAnnotation", f"annotation {int(text)}", delete)
        return json_response(AnnotationDeleted(deleted.id))


def _out(annotation: Annotation) -> AnnotationOut:
    return AnnotationOut(
        annotation.id, annotation.at, annotation.text, annotation.created_by, annotation.created_at
    )
