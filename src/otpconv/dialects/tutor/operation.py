"""What an operation of a vendor is: data for the form, the request, and a page of the reference."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

from msgspec import Struct, structs

from otpconv.dialects.tutor.request import ApiRequest

_FORM: Final = "application/x-www-form-urlencoded"


class Parameter(Struct, frozen=True):
    """One parameter of an operation.

    Attributes:
        name: as it is on the wire.
        hint: what it says, and what its absence means, for people.
        example: a value, which fills the form if the parameter is mandatory.
        place: where it goes to.
        kind: how it is written in JSON and in code; a list is written with commas in the form.
        mandatory: whether it must be there.
        choices: the values there are, where they are few.
    """

    name: str
    hint: str
    example: str
    place: Literal["path", "query", "form", "json"]
    kind: Literal["string", "boolean", "integer", "list"] = "string"
    mandatory: bool = False
    choices: tuple[str, ...] = ()


class Signer(Struct, frozen=True):
    """Who signs a request, and when.

    Attributes:
        access_key_id: the AccessKeyId.
        secret: the AccessKeySecret.
        host: the host that is called, with its port.
        now: ms UTC.
        nonce: a text that was never used before.
    """

    access_key_id: str
    secret: str
    host: str
    now: int
    nonce: str


class Way(Struct, frozen=True):
    """One way to prove who calls: a signature, or the secret itself.

    Attributes:
        name: of the way, for people.
        about: when it is used, for people.
        rule: how its last step is made.
        sign: returns a request with its credentials.
        signature: returns the signature of a call that the dialect has read; None if the secret is sent.
        hidden: header -> the words that replace the value that contains the secret.
        curl: the words of curl that make this header.
    """

    name: str
    about: str
    rule: str
    sign: Callable[[ApiRequest, Signer], ApiRequest]
    signature: Callable[[Any], str] | None = None
    hidden: Mapping[str, str] = {}
    curl: str = ""


class Operation(Struct, frozen=True):
    """One operation.

    Attributes:
        name: as the vendor calls it.
        permission: the action that a policy must allow.
        summary: what it does, for people.
        method: the HTTP method.
        path: with names of parameters in braces; `{AccessKeyId}` is that of the signer.
        parameters: in the order of the form.
        ways: how it may be signed; the SDK's way first.
        headers: further headers, names in lower case.
        query: the fixed part of the query.
        form: the fixed part of a form body.
        shape: makes the JSON body of the given values.
    """

    name: str
    permission: str
    summary: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    ways: tuple[Way, ...]
    headers: Mapping[str, str] = {}
    query: str = ""
    form: Mapping[str, str] = {}
    shape: Callable[[dict[str, Any]], object] = dict

    def way(self, name: str) -> Way:
        """Return the way of a name, or the first one."""
        return next((way for way in self.ways if way.name == name), self.ways[0])

    def draft(self, given: Mapping[str, str], signer: Signer) -> ApiRequest:
        """Return the request without credentials; blank values are left out."""
        filled = [(each, given[each.name]) for each in self.parameters if given.get(each.name)]
        path = self.path.replace("{AccessKeyId}", quote(signer.access_key_id, safe=""))
        for each in self.parameters:
            path = path.replace(f"{{{each.name}}}", quote(given.get(each.name, ""), safe=""))
        pairs = [(each.name, value) for each, value in filled if each.place == "query"]
        query = "&".join(filter(None, (self.query, urlencode(pairs))))
        headers, body = {"host": signer.host, **self.headers}, b""
        places = {each.place for each in self.parameters}
        if "json" in places:
            values = {each.name: typed(each, value) for each, value in filled if each.place == "json"}
            headers.setdefault("content-type", "application/json")
            body = json.dumps(self.shape(values)).encode()
        elif "form" in places or self.form:
            values = {each.name: value for each, value in filled if each.place == "form"}
            headers["content-type"] = _FORM
            body = urlencode({**self.form, **values}).encode()
        return ApiRequest(self.method, path, query, headers, body)


def typed(parameter: Parameter, text: str) -> object:
    """Return what a text is in JSON; what does not fit stays a text, for the server to refuse."""
    if parameter.kind == "list":
        return [part.strip() for part in text.split(",") if part.strip()]
    if parameter.kind == "integer" and text.lstrip("-").isdecimal():
        return int(text)
    return text


def as_form(request: ApiRequest, parameters: Mapping[str, str]) -> ApiRequest:
    """Return a request with other parameters in a form body."""
    headers = {**request.headers, "content-type": _FORM}
    return structs.replace(request, headers=headers, body=urlencode(parameters).encode())


def with_headers(request: ApiRequest, headers: Mapping[str, str]) -> ApiRequest:
    """Return a request with further headers."""
    return structs.replace(request, headers={**request.headers, **headers})
