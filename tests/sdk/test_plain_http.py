"""Didit and Infobip, which have no SDK with the call: the commands of their pages, against a real server."""

import json
import subprocess
from collections.abc import Callable, Iterator

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from sdk.vendor_pages import SENT, code_of, rates, request_messages
from web.wire import NO_TLS

Eventually = Callable[[Callable[[], object], object], None]
DIDIT = "3f6c9a52-8d1e-4b7a-9c20-5e1f7a3b8d44"
INFOBIP = "2034072219640523072"


def pasted(vendor: str, server: LocalServer, key: AccessKey) -> dict[str, object]:
    """Return the answer to the command of a page."""
    command = code_of(vendor, "console", server.url, key)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)  # noqa: S603, S607 - our own page
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.fixture
def plain(server: LocalServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, verify=NO_TLS) as client:
        yield client


def test_didits_page_works_as_written_and_a_repeat_gets_409(
    server: LocalServer, key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    request_messages(own, DIDIT)
    assert pasted("didit", server, key) == {"message_id": DIDIT, "outcome": "converted", "occurred_at": None}
    assert pasted("didit", server, key)["error"] == "feedback_exists"
    eventually(lambda: rates(own), (1, 1))


def test_a_code_that_is_typed_late_counts_for_didit(
    plain: httpx.Client, key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    request_messages(own, DIDIT)
    plain.headers["x-api-key"] = f"{key.access_key_id}:{key.secret}"
    missed = {"outcome": "not_converted"}
    late = {"outcome": "converted", "occurred_at": "2023-11-14T22:20:00Z"}
    answers = [
        plain.post(f"/v3/messages/{DIDIT}/feedback/", json=body) for body in (missed, missed, late, late)
    ]
    assert [answer.status_code for answer in answers] == [200, 409, 200, 409]
    assert answers[1].json()["error"] == "feedback_exists"
    eventually(lambda: rates(own), (1, 1))
    assert own.get(f"/v1/messages/{DIDIT}").json()["verified_at"] == SENT + 400_000


def test_didits_errors_have_one_form(plain: httpx.Client, key: AccessKey) -> None:
    path = f"/v3/messages/{DIDIT}/feedback/"
    wrong = plain.post(path, json={"outcome": "converted"}, headers={"x-api-key": f"{key.access_key_id}:x"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "unauthorized")
    login = {"x-api-key": f"{key.access_key_id}:{key.secret}"}
    early = {"outcome": "converted", "occurred_at": "1999-01-01T00:00:00Z"}
    refused = plain.post(path, json=early, headers=login)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


def test_infobips_page_works_as_written(
    server: LocalServer, key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    request_messages(own, INFOBIP)
    for _ in range(2):
        assert [*pasted("infobip", server, key)] == ["processKey"]
    eventually(lambda: rates(own), (1, 1))


def test_infobips_errors_have_the_vendors_form(plain: httpx.Client, key: AccessKey) -> None:
    cases = [
        ((key.access_key_id, "wrong"), INFOBIP, 401, "UNAUTHORIZED"),
        ((key.access_key_id, key.secret), "x" * 256, 400, "BAD_REQUEST"),
    ]
    for auth, message_id, status, code in cases:
        answer = plain.post(f"/ct/1/log/end/{message_id}", auth=auth)
        error = answer.json()["requestError"]["serviceException"]
        assert (answer.status_code, error["messageId"]) == (status, code)
