# ruff: noqa: ARG002 - the protocol has arguments that these small dialects do not need
"""Invented vendors for tests of what all dialects share."""

import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from otpconv.dialects.credentials import from_api_key, from_basic, from_token
from otpconv.dialects.dialect import (
    Call,
    HashNumber,
    HttpRequest,
    HttpResponse,
    LoginCall,
    Outcome,
    UnknownOperation,
)
from otpconv.errors import InvalidRequest, OtpconvError, Refused, SignatureMismatch
from otpconv.model import Conversion, Report

PERMISSION = "feedback:Put"


class SignedFeedback(Struct, frozen=True):
    """A call whose `signature` is the secret itself."""

    access_key_id: str
    signature: str
    nonce: str
    signed_at: int | None
    message_ids: tuple[str, ...]
    security_token: str = ""
    permission: str = PERMISSION

    def verify(self, secret: str) -> None:
        if self.signature != secret:
            raise SignatureMismatch("It was signed with another secret.")


class LoginFeedback(LoginCall, frozen=True, kw_only=True):
    """A call that contains its secret."""

    message_ids: tuple[str, ...]


class FeedbackDialect:
    """A vendor whose calls have a header of their own, and may report several messages.

    An id of `bad` is malformed; a repeat of `once` is refused. A header `x-signed` says that the call is
    signed, `x-once` that it has a nonce, and `x-asks` names another permission.
    """

    def __init__(self, now: int = 0) -> None:
        self._now = now

    def claims(self, request: HttpRequest) -> bool:
        return request.path == "/" and b"x-amz-target" in request.fields

    def preflight(self) -> HttpResponse:
        return HttpResponse(204, [], b"")

    def read(self, request: HttpRequest) -> Call:
        if request.method == "DELETE":
            raise UnknownOperation("DELETE /")
        ids = tuple(json.loads(request.body or b"[]"))
        permission = request.fields.get(b"x-asks", PERMISSION.encode()).decode()
        value = request.fields.get(b"authorization", b"")
        if b"x-signed" in request.fields:
            who, _, signature = value.decode().partition(" ")
            at = int(request.fields[b"x-signed"]) or self._now
            return SignedFeedback(
                who, signature, request.fields.get(b"x-once", b"").decode(), at, ids, permission=permission
            )
        if b"x-key" in request.fields:
            login = from_api_key(request.fields[b"x-key"], "x-key")
        elif value.startswith(b"Bearer"):
            login = from_token(value)
        else:
            login = from_basic(value)
        return LoginFeedback(
            access_key_id=login.access_key_id, secret=login.secret, permission=permission, message_ids=ids
        )

    def reports(
        self,
        call: Any,  # noqa: ANN401
        account: int,
        now: int,
        number_hash: HashNumber,
        region: str,
    ) -> Sequence[Report | Refused]:
        return [
            InvalidRequest("bad") if message_id == "bad" else Conversion(account, True, now, message_id)
            for message_id in call.message_ids
        ]

    def success(self, call: Any, request_id: str, outcomes: Sequence[Outcome]) -> HttpResponse:  # noqa: ANN401
        if call.message_ids == ("once",) and outcomes == ("unchanged",):
            raise InvalidRequest("It was reported before.")
        told = [outcome if isinstance(outcome, str) else outcome.code for outcome in outcomes]
        return HttpResponse(200, [], ",".join(told).encode())

    def failure(
        self,
        error: Exception,
        request_id: str,
        *,
        request: HttpRequest,
        call: Any,  # noqa: ANN401
        public_url: str,
    ) -> HttpResponse:
        code = type(error).__name__ if isinstance(error, OtpconvError) else "Internal"
        return HttpResponse(400, [], code.encode(), code)
