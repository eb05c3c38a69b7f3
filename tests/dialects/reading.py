"""Reads requests by a dialect, without a server."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from otpconv.dialects.dialect import Dialect, HttpRequest, HttpResponse
from otpconv.errors import OtpconvError
from otpconv.model import Report

ACCOUNT, NOW = 7, 1_795_729_896_000
KEY, SECRET = "LTAIkey", "secret"


def request(
    path: str,
    body: Any = b"",  # noqa: ANN401 - bytes, a form, or anything that JSON can express
    *,
    method: str = "POST",
    query: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    **headers: str,
) -> HttpRequest:
    """Return a request; the names of headers have `_` for `-`."""
    if form is not None:
        body = urlencode(form).encode()
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return HttpRequest(method, path, urlencode(query or {}).encode(), fields, body)


def basic(user: str = KEY, password: str = SECRET) -> str:
    """Return the header Authorization of HTTP Basic."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def read(dialect: Dialect[Any], asked: HttpRequest, secret: str = SECRET) -> Any:  # noqa: ANN401 - a call of any dialect
    """Return the call of a request whose credentials are right."""
    assert dialect.claims(asked)
    call = dialect.read(asked)
    assert call.access_key_id == KEY
    if hasattr(call, "verify"):
        call.verify(secret)
    else:
        assert call.secret == secret
        assert secret not in repr(call)
    return call


def reports(dialect: Dialect[Any], asked: HttpRequest) -> Sequence[Report]:
    """Return the reports of a request."""
    return reports_of(dialect, read(dialect, asked))


def reports_of(dialect: Dialect[Any], call: Any, now: int = NOW) -> Sequence[Any]:  # noqa: ANN401 - a call of any dialect
    """Return the reports of a call."""
    return dialect.reports(call, ACCOUNT, now, hashed, "")


def hashed(account: int, e164: str) -> str:
    """Return what stands for a number in these tests."""
    return f"{account}:{e164}"


def failure(dialect: Dialect[Any], error: Exception, asked: HttpRequest, call: Any = None) -> HttpResponse:  # noqa: ANN401
    """Return the response to a failed request."""
    return dialect.failure(error, "ID", request=asked, call=call, public_url="https://otp")


def refused(dialect: Dialect[Any], asked: HttpRequest) -> tuple[int, Any]:
    """Return the status and the body of the response to a request that is refused."""
    call = None
    try:
        call = dialect.read(asked)
        if hasattr(call, "verify"):
            call.verify(SECRET)
        reports_of(dialect, call)
    except OtpconvError as error:
        response = failure(dialect, error, asked, call)
        assert dict(response.headers)[b"content-length"] == str(len(response.body)).encode()
        return response.status, json.loads(response.body)
    raise AssertionError("The dialect accepted the request.")
