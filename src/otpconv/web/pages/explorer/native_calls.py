"""The calls of the native API as forms: read out of /openapi.json, which the API's own types write."""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from otpconv.dialects.tutor.request import ApiRequest

_JSON = "application/json"


class Field(Struct, frozen=True):
    """One field of a form.

    Attributes:
        name: as it is on the wire.
        kind: its type in JSON.
        place: where it goes to.
        mandatory: whether it must be there.
        hint: what it is.
        example: a value; empty where there is none.
        choices: the values there are, where they are few.
    """

    name: str
    kind: str
    place: Literal["path", "query", "body"]
    mandatory: bool
    hint: str
    example: str
    choices: tuple[str, ...] = ()


class NativeCall(Struct, frozen=True):
    """One operation of the native API.

    Attributes:
        name: its operationId.
        method: the HTTP method.
        path: with names of parameters in braces.
        summary: what it does, for people.
        envelope: the name of the list that a body has its item in; empty if the body is the item, or
            if there is no body.
        fields: of the path, the query, or the item.
    """

    name: str
    method: str
    path: str
    summary: str
    envelope: str
    fields: tuple[Field, ...]

    def sent(self, given: Mapping[str, str]) -> ApiRequest:
        """Return the request without who sends it; blank fields are left out."""
        filled = [(each, given[each.name]) for each in self.fields if given.get(each.name)]
        path = self.path
        for each, value in filled:
            if each.place == "path":
                path = path.replace(f"{{{each.name}}}", quote(value))
        query = urlencode([(each.name, value) for each, value in filled if each.place == "query"])
        item = {each.name: _value(each.kind, value) for each, value in filled if each.place == "body"}
        if not any(each.place == "body" for each in self.fields):
            return ApiRequest(self.method, path, query, {})
        body = msgspec.json.encode({self.envelope: [item]} if self.envelope else item)
        return ApiRequest(self.method, path, query, {"content-type": _JSON}, body)


def native_calls(document: Mapping[str, Any]) -> dict[str, NativeCall]:
    """Return the operations that an OpenAPI document describes and that need an access key, by name."""
    schemas = document["components"]["schemas"]
    return {
        operation["operationId"]: NativeCall(
            operation["operationId"],
            method.upper(),
            path,
            operation["summary"],
            *_fields(operation, schemas),
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation.get("security") != []
    }


def _fields(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> tuple[str, tuple[Field, ...]]:
    if "requestBody" not in operation:
        return "", tuple(
            _field(
                each["name"], each["schema"], each["in"], each.get("description", ""), each.get("required")
            )
            for each in operation.get("parameters", ())
        )
    envelope = _named(schemas, operation["requestBody"]["content"][_JSON]["schema"])
    (name, items), *more = envelope["properties"].items()
    name, item = ("", envelope) if more else (name, _named(schemas, items["items"]))
    required = item.get("required", ())
    return name, tuple(
        _field(each, schema, "body", "", each in required) for each, schema in item["properties"].items()
    )


def _named(schemas: Mapping[str, Any], reference: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
    return schemas[reference["$ref"].rpartition("/")[2]]


def _field(name: str, schema: Mapping[str, Any], place: Any, hint: str, mandatory: object) -> Field:  # noqa: ANN401
    told, *others = [each for each in schema.get("anyOf", (schema,)) if each.get("type") != "null"]
    kind = "string" if others else str(told.get("type", "string"))
    hint = hint or told.get("description") or schema.get("description", "")
    usual = schema.get("default")
    return Field(
        name,
        "string" if kind == "array" else kind,
        place,
        bool(mandatory),
        ". ".join(filter(None, (hint, f"Default: {usual}" if usual else ""))),
        str(next(iter(told.get("examples", ())), "")),
        ("true", "false") if kind == "boolean" else tuple(told.get("enum", ())),
    )


def _value(kind: str, text: str) -> object:
    """Return what a text is in JSON; what does not fit stays a text, for the API to refuse."""
    if kind == "integer" and text.lstrip("-").isdecimal():
        return int(text)
    return text == "true" if kind == "boolean" and text in {"true", "false"} else text
