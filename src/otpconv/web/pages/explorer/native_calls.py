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
    """Return the operations that an OpenAPI document describes and that need an access key, by name.

    Operations that take secrets are left out, because the page shows the request.
    """
    schemas = document["components"]["schemas"]
    calls = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            envelope, item = _body(operation, schemas)
            properties = item.get("properties", {})
            if operation.get("security") == [] or any("writeOnly" in each for each in properties.values()):
                continue
            fields = [
                _field(
                    each["name"],
                    each["schema"],
                    each["in"],
                    each.get("description", ""),
                    each.get("required"),
                )
                for each in operation.get("parameters", ())
            ]
            required = item.get("required", ())
            fields += [_field(name, each, "body", "", name in required) for name, each in properties.items()]
            name = operation["operationId"]
            calls[name] = NativeCall(
                name, method.upper(), path, operation["summary"], envelope, tuple(fields)
            )
    return calls


def _body(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the name of the list that a body has its items in, and the schema of an item; empty without."""
    if "requestBody" not in operation:
        return "", {}
    schema = _named(schemas, operation["requestBody"]["content"][_JSON]["schema"])
    (name, content), *more = schema["properties"].items()
    if more or content.get("type") != "array":
        return "", schema
    return name, _named(schemas, content["items"])


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
