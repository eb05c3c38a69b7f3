# ruff: noqa: ARG002 - the protocol has arguments that this small dialect does not need
"""Several vendors share the path `/`: a header says whose request it is, and its dialect answers it."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from otpconv.access.keys import AccessKey
from otpconv.audit import AuditLog
from otpconv.config import load
from otpconv.dialects.alibaba import GatewayError
from otpconv.dialects.alibaba.dialect import AlibabaDialect
from otpconv.dialects.dialect import HashNumber, HttpRequest, HttpResponse
from otpconv.dialects.routing import DIALECTS, route
from otpconv.errors import OtpconvError, SignatureMismatch
from otpconv.model import Conversion, Report
from otpconv.service.compose import Service, open_key_store
from otpconv.web.front.body import Bodies
from otpconv.web.front.failures import FailureLog
from otpconv.web.front.gate import Gate
from otpconv.web.rpc.endpoint import RpcEndpoint


class FeedbackCall(Struct, frozen=True):
    access_key_id: str
    signature: str
    nonce: str
    signed_at: int
    message_ids: tuple[str, ...]
    security_token: str = ""
    permission: str = "feedback:Put"


class FeedbackDialect:
    """A vendor whose calls have a header of their own, and may report several messages."""

    def __init__(self, now: int = 0) -> None:
        self._now = now

    def claims(self, request: HttpRequest) -> bool:
        return request.path == "/" and b"x-amz-target" in request.fields

    def preflight(self) -> HttpResponse:
        return HttpResponse(204, [], b"")

    def read(self, request: HttpRequest) -> FeedbackCall:
        who, _, signature = request.fields[b"authorization"].decode().partition(" ")
        return FeedbackCall(who, signature, "once", self._now, tuple(json.loads(request.body)))

    def verify(self, call: FeedbackCall, secret: str) -> None:
        if call.signature != secret:
            raise SignatureMismatch("It was signed with another secret.")

    def reports(
        self, call: FeedbackCall, account: int, now: int, number_hash: HashNumber, region: str
    ) -> Sequence[Report]:
        return [Conversion(account, True, now, message_id) for message_id in call.message_ids]

    def success(self, call: FeedbackCall, request_id: str) -> HttpResponse:
        return HttpResponse(200, [], f"received {len(call.message_ids)}".encode())

    def failure(
        self,
        error: Exception,
        request_id: str,
        *,
        request: HttpRequest,
        call: FeedbackCall | None,
        public_url: str,
    ) -> HttpResponse:
        code = error.code if isinstance(error, OtpconvError) else "Internal"
        return HttpResponse(400, [], code.encode(), code)


def request(path: str = "/", body: bytes = b"", **fields: str) -> HttpRequest:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}
    return HttpRequest("POST", path, b"", named, body)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (request(x_amz_target="PinpointSMSVoiceV2.PutMessageFeedback"), FeedbackDialect),
        (request(authorization="ACS3-HMAC-SHA256 ..."), AlibabaDialect),
        (request(), AlibabaDialect),
        (request("/v1/messages", x_amz_target="x"), type(None)),
        (request("/dashboard"), type(None)),
    ],
)
def test_a_request_belongs_to_the_dialect_that_its_header_names(asked: HttpRequest, kind: type) -> None:
    assert type(route(asked, (FeedbackDialect(), *DIALECTS))) is kind


def test_without_another_vendor_every_request_at_the_root_is_alibabas() -> None:
    assert type(route(request(x_amz_target="x"))) is AlibabaDialect


@pytest.mark.parametrize("message_ids", [["a"], ["a", "b", "c"]])
def test_the_endpoint_records_and_answers_in_any_dialect(tmp_path: Path, message_ids: list[str]) -> None:
    answers = asyncio.run(exchanges(tmp_path, message_ids))
    assert answers == [
        (200, f"received {len(message_ids)}"),
        (400, "ReplayedNonce"),
        (400, "SignatureMismatch"),
    ]


async def exchanges(folder: Path, message_ids: list[str]) -> list[tuple[int, str]]:
    """Return the answers to a call, to the same call again, and to one that is signed with another secret."""
    settings = load(data=folder)
    with closing(open_key_store(settings)) as store:
        key = store.create("default", "somebody", "AdministratorAccess")
    service = Service(settings)
    await service.start()
    try:
        gate = Gate(settings, AuditLog(folder))
        endpoint = RpcEndpoint(
            service, Bodies(gate.peers), gate, operations={}, failures=FailureLog(), public_url="http://otp"
        )
        secrets = (key.secret, key.secret, "another")
        return [await exchange(endpoint, service, key, secret, message_ids) for secret in secrets]
    finally:
        await service.stop()


async def exchange(
    endpoint: RpcEndpoint, service: Service, key: AccessKey, secret: str, message_ids: list[str]
) -> tuple[int, str]:
    body = json.dumps(message_ids).encode()
    asked = request(authorization=f"{key.access_key_id} {secret}", x_amz_target="x")
    scope: dict[str, Any] = {
        "type": "http",
        "scheme": "http",
        "headers": list(asked.fields.items()),
        "client": ("192.0.2.1", 1),
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401 - a message of ASGI
        sent.append(message)

    await endpoint(FeedbackDialect(service.clock()), asked, scope, receive, send)
    return sent[0]["status"], sent[1]["body"].decode()


def test_alibaba_answers_a_request_that_it_cannot_read_in_the_format_that_it_asks_for() -> None:
    dialect = AlibabaDialect()
    for query, start in ((b"Format=JSON", b"{"), (b"", b"<?xml")):
        asked = HttpRequest("GET", "/", query, {b"host": b"otp.example"})
        with pytest.raises(GatewayError) as caught:
            dialect.read(asked)
        answer = dialect.failure(caught.value, "ID", request=asked, call=None, public_url="https://otp")
        assert answer.body.startswith(start)
        assert b"otp.example" in answer.body
