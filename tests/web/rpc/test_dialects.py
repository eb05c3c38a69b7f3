"""What the endpoint does for every dialect: logins, signatures, outcomes, questions."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Scope

from dialects.feedback import PERMISSION, FeedbackDialect
from otpconv.access.keys import AccessKey
from otpconv.audit import AuditLog
from otpconv.config import load
from otpconv.dialects.dialect import MAX_REPORTS, HttpRequest, HttpResponse
from otpconv.errors import NotFound
from otpconv.service.compose import Service
from otpconv.service.opening import open_key_store
from otpconv.web.front.body import Bodies
from otpconv.web.front.failures import FailureLog
from otpconv.web.front.gate import Gate
from otpconv.web.rpc.endpoint import RpcEndpoint

Answer = tuple[int, str]


class Vendor:
    """An endpoint of the invented dialect, with one access key."""

    def __init__(self, folder: Path) -> None:
        settings = load(data=folder, limit_failed_logins="1/s burst 3")
        with closing(open_key_store(settings)) as store:
            self.key: AccessKey = store.create("default", "somebody", "AdministratorAccess")
            self.powerless = store.create("default", "nobody", None)
        self.service = Service(settings)
        self.gate = Gate(settings, AuditLog(folder))
        self.endpoint = RpcEndpoint(
            self.service,
            Bodies(self.gate.peers),
            self.gate,
            operations={},
            questions={"feedback:Get": self._get},
            failures=FailureLog(),
            public_url="http://otp",
            dialects=(FeedbackDialect(),),
        )

    async def _get(
        self,
        call: Any,  # noqa: ANN401 - of any dialect
        key: AccessKey,
        *,
        scope: Scope,
        request: HttpRequest,
        now: int,
    ) -> HttpResponse:
        self.gate.admit(key, "feedback:Get", scope, now)
        await asyncio.sleep(0)
        if call.message_ids:
            raise NotFound("There is no such message.")
        return HttpResponse(200, [], f"{request.method} by {key.user}".encode())

    async def call(self, *ids: str, method: str = "POST", source: str = "192.0.2.1", **fields: str) -> Answer:
        """Make one call; names of fields have `_` for `-`."""
        named = {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}
        named[b"x-amz-target"] = b"x"
        scope: dict[str, Any] = {
            "type": "http",
            "scheme": "http",
            "headers": list(named.items()),
            "client": (source, 1),
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(ids).encode(), "more_body": False}

        async def send(message: Any) -> None:  # noqa: ANN401 - a message of ASGI
            sent.append(message)

        dialect = FeedbackDialect(self.service.clock())
        await self.endpoint(dialect, HttpRequest(method, "/", b"", named), scope, receive, send)
        return sent[0]["status"], sent[1]["body"].decode()

    def stop_clock(self) -> int:
        """Stop the time at which reports arrive, so that a repeat is the same report; return it, ms UTC."""
        now = self.service.clock()
        self.service.clock = lambda: now
        return now

    def basic(self, secret: str = "", who: str = "") -> str:
        text = f"{who or self.key.access_key_id}:{secret or self.key.secret}"
        return f"Basic {base64.b64encode(text.encode()).decode()}"

    def signed(self, secret: str = "") -> str:
        return f"{self.key.access_key_id} {secret or self.key.secret}"


Run = Callable[[Callable[[Vendor], Awaitable[list[Answer]]]], list[Answer]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def answers(calls: Callable[[Vendor], Awaitable[list[Answer]]]) -> list[Answer]:
        async def served() -> list[Answer]:
            vendor = Vendor(tmp_path)
            await vendor.service.start()
            try:
                return await calls(vendor)
            finally:
                await vendor.service.stop()

        return asyncio.run(served())

    return answers


def test_a_secret_may_come_as_basic_bearer_or_api_key(run: Run) -> None:
    async def calls(vendor: Vendor) -> list[Answer]:
        token = f"{vendor.key.access_key_id}:{vendor.key.secret}"
        return [
            await vendor.call("a", authorization=vendor.basic()),
            await vendor.call("b", authorization=f"Bearer {token}"),
            await vendor.call("c", x_key=token),
            await vendor.call("d", authorization="Bearer x"),
            await vendor.call("d", x_key=vendor.key.secret),
            await vendor.call("d"),
            await vendor.call(
                "d", authorization=f"Bearer {vendor.powerless.access_key_id}:{vendor.powerless.secret}"
            ),
        ]

    assert run(calls) == [(200, "recorded")] * 3 + [(400, "BadCredentials")] * 3 + [(400, "AccessDenied")]


def test_failed_logins_are_counted_and_unknown_keys_look_like_wrong_secrets(run: Run) -> None:
    async def calls(vendor: Vendor) -> list[Answer]:
        wrong = [vendor.basic("x"), vendor.basic("x", "unknown"), vendor.basic("x")]
        answers = [await vendor.call("a", authorization=each) for each in wrong]
        answers.append(await vendor.call("a", authorization=vendor.basic()))
        answers.append(await vendor.call("a", authorization=vendor.basic(), source="192.0.2.2"))
        return answers

    assert run(calls) == [(400, "BadCredentials")] * 3 + [(400, "Throttled"), (200, "recorded")]


def test_a_signature_without_a_nonce_is_only_checked_for_its_time(run: Run) -> None:
    async def calls(vendor: Vendor) -> list[Answer]:
        now = vendor.stop_clock()
        return [
            await vendor.call("a", authorization=vendor.signed(), x_signed=str(now)),
            await vendor.call("a", authorization=vendor.signed(), x_signed=str(now)),
            await vendor.call("a", authorization=vendor.signed(), x_signed=str(now - 16 * 60_000)),
            await vendor.call("a", authorization=vendor.signed("x"), x_signed=str(now)),
            await vendor.call("b", authorization=vendor.signed(), x_signed=str(now), x_once="1"),
            await vendor.call("c", authorization=vendor.signed(), x_signed=str(now), x_once="1"),
        ]

    assert run(calls) == [
        (200, "recorded"),
        (200, "unchanged"),
        (400, "StaleTimestamp"),
        (400, "SignatureMismatch"),
        (200, "recorded"),
        (400, "ReplayedNonce"),
    ]


def test_a_dialect_gets_the_outcome_of_each_report(run: Run) -> None:
    async def calls(vendor: Vendor) -> list[Answer]:
        login = {"authorization": vendor.basic()}
        return [
            await vendor.call("a", "bad", "b", **login),
            await vendor.call("bad", "bad", **login),
            await vendor.call("bad", **login),
            await vendor.call(**login),
            await vendor.call(*map(str, range(MAX_REPORTS)), **login),
            await vendor.call(*map(str, range(MAX_REPORTS + 1)), **login),
        ]

    assert run(calls) == [
        (200, "recorded,InvalidRequest,recorded"),
        (200, "InvalidRequest,InvalidRequest"),
        (400, "InvalidRequest"),
        (200, ""),
        (200, ",".join(["recorded"] * MAX_REPORTS)),
        (400, "InvalidRequest"),
    ]


def test_a_dialect_may_refuse_a_repeat(run: Run) -> None:
    async def calls(vendor: Vendor) -> list[Answer]:
        vendor.stop_clock()
        return [await vendor.call("once", authorization=vendor.basic()) for _ in range(2)]

    assert run(calls) == [(200, "recorded"), (400, "InvalidRequest")]


def test_a_question_is_answered_later_and_its_errors_too(run: Run) -> None:
    async def calls(vendor: Vendor) -> list[Answer]:
        ask = {"x_asks": "feedback:Get"}
        powerless = vendor.basic(vendor.powerless.secret, vendor.powerless.access_key_id)
        return [
            await vendor.call(method="GET", authorization=vendor.basic(), **ask),
            await vendor.call("a", method="PUT", authorization=vendor.basic(), **ask),
            await vendor.call(method="PATCH", authorization=powerless, **ask),
        ]

    assert run(calls) == [(200, "GET by somebody"), (400, "NotFound"), (400, "AccessDenied")]


def test_an_operation_that_is_not_here_is_refused_in_the_words_of_the_vendor(run: Run) -> None:
    async def calls(vendor: Vendor) -> list[Answer]:
        return [await vendor.call(method="DELETE"), await vendor.call(method="OPTIONS")]

    assert run(calls) == [(400, "UnknownOperation"), (204, "")]


def test_a_login_never_shows_its_secret() -> None:
    call = FeedbackDialect().read(HttpRequest("POST", "/", b"", {b"x-key": b"ID:hidden"}))
    assert "hidden" not in repr(call)
    assert repr(call) == f"LoginFeedback('ID', {PERMISSION!r})"
