"""What the tests of signed dialects share: whether a request is accepted, and those that differ from it."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import structs

from otpconv.dialects.dialect import Dialect, HttpRequest
from otpconv.errors import OtpconvError, Refused
from otpconv.model import Report

ACCOUNT, NOW = 7, 1_795_729_896_000
KEY, SECRET = "LTAIkey", "the secret"


def accepts(dialect: Dialect[Any], request: HttpRequest, key: str = KEY, secret: str = SECRET) -> bool:
    """Return whether a request is one of the dialect, and signed with this key and secret."""
    try:
        call = dialect.read(request)
        call.verify(secret)
    except Refused:
        return False
    return dialect.claims(request) and call.access_key_id == key


def reports(dialect: Dialect[Any], request: HttpRequest) -> list[Report | Refused]:
    """Return the reports of a request whose signature is right."""
    assert dialect.claims(request)
    call = dialect.read(request)
    call.verify(SECRET)
    return list(dialect.reports(call, ACCOUNT, NOW, lambda *_: "", ""))


def refusal(dialect: Dialect[Any], request: HttpRequest, secret: str = SECRET) -> tuple[int, Any]:
    """Return the HTTP status and the body of the response to a request that is refused."""
    call = None
    try:
        call = dialect.read(request)
        call.verify(secret)
        dialect.reports(call, ACCOUNT, NOW, lambda *_: "", "")
    except OtpconvError as error:
        return failure(dialect, error, request, call)
    raise AssertionError("The request was accepted.")


def failure(
    dialect: Dialect[Any],
    error: Exception,
    request: HttpRequest,
    call: Any = None,  # noqa: ANN401 - of any dialect
) -> tuple[int, Any]:
    """Return the HTTP status and the body of the response to an error."""
    response = dialect.failure(error, "ID", request=request, call=call, public_url="https://otp.example")
    assert dict(response.headers)[b"content-length"] == b"%d" % len(response.body)
    return response.status, json.loads(response.body)


def altered(request: HttpRequest, signed: Iterable[str]) -> Iterator[HttpRequest]:
    """Return the request with one byte of the signed text or the signature changed, or without a header."""
    for name in (*(name.encode() for name in signed), b"authorization"):
        if name in request.fields:
            for value in _altered(request.fields[name]):
                yield structs.replace(request, fields=request.fields | {name: value})
    for query in _altered(request.query):
        yield structs.replace(request, query=query)
    for body in _altered(request.body):
        yield structs.replace(request, body=body)
    yield structs.replace(request, method="GET" if request.method == "POST" else "POST")
    for name in signed:
        fields = {known: value for known, value in request.fields.items() if known != name.encode()}
        yield structs.replace(request, fields=fields)


def _altered(text: bytes) -> Iterator[bytes]:
    for index, byte in enumerate(text):
        # Not only another case: some signatures ignore it in headers.
        yield text[:index] + (b"7" if byte != ord("7") else b"8") + text[index + 1 :]
