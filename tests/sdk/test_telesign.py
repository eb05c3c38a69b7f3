"""Telesign's official Python SDK, unmodified, against a real server."""

import subprocess
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from telesign.rest import RestClient
from telesignenterprise.verify import VerifyClient

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.dialects.telesign.signature import api_key
from sdk.vendor_pages import code_of, rates, request_messages, run_python
from web.wire import NO_TLS

Eventually = Callable[[Callable[[], object], object], None]
REFERENCE = "0123456789ABCDEF0123456789ABCDEF"


@pytest.fixture
def client(server: LocalServer, key: AccessKey) -> Callable[..., VerifyClient]:
    """Makes clients; the arguments change what they are given."""

    def make(customer: str = key.access_key_id, secret: str = key.secret, **more: str) -> VerifyClient:
        return VerifyClient(customer, api_key(secret), rest_endpoint=server.url, **more)

    return make


def test_the_page_works_as_written(server: LocalServer, key: AccessKey, own: httpx.Client) -> None:
    request_messages(own, REFERENCE)
    run_python("telesign", server.url, key)
    assert own.get(f"/v1/messages/{REFERENCE}").json()["delivered_without_time"] is True  # long after 2023
    command = code_of("telesign", "console", server.url, key)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)  # noqa: S603, S607 - our own page
    assert done.stdout == api_key(key.secret)


def test_a_completion_counts_once(
    client: Callable[..., VerifyClient], own: httpx.Client, eventually: Eventually
) -> None:
    request_messages(own, REFERENCE, "by-basic", "unused")
    for reference, reports in ((REFERENCE, client()), ("by-basic", client(auth_method="Basic"))):
        for _ in range(2):
            answer = reports.completion(reference)
            assert (answer.status_code, answer.json["reference_id"], answer.json["errors"]) == (
                200,
                reference,
                [],
            )
            assert answer.json["status"]["code"] == 1900
            assert answer.json["status"]["updated_on"].endswith("Z")
    eventually(lambda: rates(own), (3, 2))


def test_parameters_of_a_completion_are_signed(client: Callable[..., VerifyClient]) -> None:
    assert client().completion(REFERENCE, verify_code="12345").json["status"]["code"] == 1900


@pytest.mark.parametrize(
    ("changes", "reference", "status", "number"),
    [
        ({"customer": "LTAInobody"}, REFERENCE, 401, -30000),
        ({"secret": "wrong"}, REFERENCE, 401, -30006),
        ({"secret": "wrong", "auth_method": "Basic"}, REFERENCE, 401, -30015),
        ({}, "x" * 256, 400, -10001),
    ],
)
def test_a_refused_completion_has_the_vendors_number(
    client: Callable[..., VerifyClient], changes: dict[str, str], reference: str, status: int, number: int
) -> None:
    answer = client(**changes).completion(reference)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (status, number)


def test_other_calls_are_not_here(client: Callable[..., VerifyClient]) -> None:
    answer = client().sms("15551234567")
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (404, -40006)


def test_a_replay_is_refused(server: LocalServer, key: AccessKey) -> None:
    path = f"/v1/verify/completion/{REFERENCE}"
    headers: dict[str, Any] = RestClient.generate_telesign_headers(
        key.access_key_id, api_key(key.secret), "PUT", path, ""
    )
    with httpx.Client(base_url=server.url, verify=NO_TLS) as captured:
        first, second = (captured.put(path, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 401)
    assert second.json()["errors"][0]["code"] == -30012
