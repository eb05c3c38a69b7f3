"""AWS's pushes with a certificate that the test makes, and a host of SNS that the test plays."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.applications import Starlette

from dialects.aws.test_receipts import (
    CERTIFICATE,
    EVENT,
    SUBSCRIBE,
    SUBSCRIPTION,
    TOPIC,
    message as signed,
    private_key,
)
from faults.bad_server import BadServer
from otpconv.audit import AuditLog
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.delivery.connection import Response
from otpconv.errors import Unavailable
from otpconv.service.compose import Service
from otpconv.web.front.body import Bodies
from otpconv.web.front.failures import FailureLog
from otpconv.web.front.gate import Gate
from otpconv.web.hooks import vendor_hosts
from otpconv.web.hooks.endpoint import HooksEndpoint
from otpconv.web.hooks.vendor_hosts import VendorHosts, get
from otpconv.web.v1.vendor_types import receipts_out

PUBLIC = "https://otp.example.com"


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = dt.datetime.fromtimestamp(wall_clock() // 1000, dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key().public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(private_key(), SHA256())
        .public_bytes(Encoding.PEM)
    )


class Sns:
    """The host of SNS: it has one certificate, and notes the calls."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.up = True
        self._certificate = certificate()

    def get(self, url: str) -> bytes:
        self.called.append(url)
        if not self.up:
            raise Unavailable("It is down.")
        return self._certificate if url == CERTIFICATE else b"<ConfirmSubscriptionResponse/>"


@asynccontextmanager
async def vendor_account(
    folder: Path, sns: Sns, **settings: str
) -> AsyncIterator[tuple[Service, httpx.AsyncClient, str]]:
    """A service with a vendor account of the kind aws; a client, and the path for its receipts."""
    loaded = load(data=folder)
    service = Service(loaded)
    await service.start()
    gate = Gate(loaded, AuditLog(folder))
    hooks = HooksEndpoint(
        service,
        Bodies(gate.peers),
        gate,
        failures=FailureLog(),
        public_url=PUBLIC,
        hosts=VendorHosts(sns.get),
    )
    values = {"relay": "off", "make_known": "on", **settings}
    vendor = service.vendors.create(1, "aws", "aws", "aws", values=values, per_second=0)
    path = receipts_out(vendor, "").url
    transport = httpx.ASGITransport(Starlette(routes=hooks.routes()), raise_app_exceptions=True)
    try:
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as client:
            yield service, client, path
    finally:
        await service.stop()


def push(client: httpx.AsyncClient, path: str, made: dict[str, str]) -> "asyncio.Task[httpx.Response]":
    headers = {"content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": made["Type"]}
    return asyncio.ensure_future(client.post(path, content=json.dumps(made), headers=headers))


@pytest.mark.parametrize("version", ["1", "2"])
def test_events_are_recorded_and_the_certificate_is_asked_for_once(tmp_path: Path, version: str) -> None:
    async def run() -> None:
        sns = Sns()
        async with vendor_account(tmp_path / "data", sns, topic_arn=TOPIC) as (service, client, path):
            made = [signed(version, MessageId=str(number)) for number in range(3)]
            answers = await asyncio.gather(*(push(client, path, each) for each in made))
            assert {(answer.status_code, answer.content) for answer in answers} == {(200, b"")}
            assert sns.called == [CERTIFICATE]
            forged = signed(version) | {"Message": json.dumps(EVENT | {"messageId": "forged"})}
            refused = await push(client, path, forged)
            assert (refused.status_code, refused.json()["__type"]) == (401, "SignatureMismatch")
            other = await push(client, path, signed(version, TopicArn=TOPIC + "x"))
            assert other.status_code == 401
            (state,) = service.recent.states.values()
            assert state.requested is not None
            assert state.requested.message_id == EVENT["messageId"]
            assert state.requested.requested_at == EVENT["messageRequestTimestamp"]
            assert state.requested.dimensions.carrier == "Foo Cellular"

    asyncio.run(run())


def test_a_subscription_of_the_right_topic_is_confirmed_and_no_other(tmp_path: Path) -> None:
    async def run(topic: str) -> tuple[list[str], int]:
        sns = Sns()
        settings = {"topic_arn": topic} if topic else {}
        async with vendor_account(tmp_path / f"data{len(topic)}", sns, **settings) as (_, client, path):
            answer = await push(client, path, signed("2", **SUBSCRIPTION))
            return sns.called, answer.status_code

    assert asyncio.run(run(TOPIC)) == ([CERTIFICATE, SUBSCRIBE], 200)
    for topic in ("", TOPIC + "x"):
        assert asyncio.run(run(topic)) == ([], 401)


def test_while_the_host_is_down_pushes_get_503_and_it_is_not_called_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        sns = Sns()
        sns.up = False
        async with vendor_account(tmp_path / "data", sns, topic_arn=TOPIC) as (_, client, path):
            answers = await asyncio.gather(*(push(client, path, signed()) for _ in range(3)))
            assert [answer.status_code for answer in answers] == [503] * 3
            assert sns.called == [CERTIFICATE]
            sns.up = True
            monkeypatch.setattr(vendor_hosts, "PAUSE_S", 0.0)
            assert (await push(client, path, signed())).status_code == 503

    asyncio.run(run())


def test_what_is_not_a_certificate_of_rsa_verifies_nothing() -> None:
    for answer in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        hosts = VendorHosts(lambda _, answer=answer: answer)  # type: ignore[misc]
        sealed = vendor_hosts.Sealed(b"x", b"y", "sha1", CERTIFICATE)
        with pytest.raises(Unavailable):
            asyncio.run(hosts.verify(sealed))


def test_the_number_of_certificates_in_memory_is_bounded() -> None:
    pem = certificate()

    async def run() -> list[str]:
        called: list[str] = []

        def answer(url: str) -> bytes:
            called.append(url)
            return pem

        hosts = VendorHosts(answer)
        for url in (*map(str, range(vendor_hosts.MAX_CERTIFICATES + 1)), "0"):
            with pytest.raises(Exception, match="signature"):
                await hosts.verify(vendor_hosts.Sealed(b"x", b"y", "sha1", url))
        return called

    assert asyncio.run(run()).count("0") == 2


def test_a_host_that_can_not_be_called_is_unavailable() -> None:
    with BadServer() as plain, pytest.raises(Unavailable):
        get(plain.url.replace("http:", "https:") + "/certificate.pem")


def test_an_answer_that_is_too_large_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Response(200, {}, b"x" * (vendor_hosts.MAX_ANSWER_BYTES + 1))
    monkeypatch.setattr(vendor_hosts.Connection, "request", lambda *_: answer)
    with pytest.raises(Unavailable):
        get(CERTIFICATE)
