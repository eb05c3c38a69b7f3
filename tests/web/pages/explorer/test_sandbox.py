"""The sandbox: what the explorer sends there counts in no other account."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.service.opening import open_key_store
from otpconv.service.sandbox import ACCOUNT
from web.wire import NO_TLS

MESSAGES, RATES = "/explorer/v1/recordMessages", "/explorer/v1/getRates"
SIGNED = "/explorer/SmsConversion"


@pytest.fixture
def explorer(server: LocalServer, key: AccessKey) -> Iterator[httpx.Client]:
    """A browser that is signed in."""
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}, verify=NO_TLS) as client:
        client.post("/sign-in", data={"access_key_id": f"{key.access_key_id}:{key.secret}"})
        yield client


def send(explorer: httpx.Client, path: str, **fields: str) -> str:
    """What the page shows after a call."""
    token = re.search(r'name="form_token" value="([^"]+)"', explorer.get(path).text)
    assert token
    answer = explorer.post(path, data={"form_token": token[1], "do": "call", **fields})
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("page", [MESSAGES, SIGNED])
def test_a_call_that_would_count_is_offered_the_sandbox_first_with_a_warning(
    explorer: httpx.Client, page: str
) -> None:
    text = explorer.get(page).text
    assert f'value="{ACCOUNT}" checked' in text
    assert "counts in your production numbers" in text


def test_a_call_that_reads_is_made_in_the_own_account_unless_the_sandbox_is_chosen(
    explorer: httpx.Client,
) -> None:
    text = explorer.get(RATES).text
    assert 'value="own" checked' in text
    assert "Warning" not in text


def test_roles_are_assumed_in_the_own_account_only(explorer: httpx.Client) -> None:
    assert 'name="where"' not in explorer.get("/explorer/AssumeRole").text


def test_annotations_are_made_in_the_own_account_only(explorer: httpx.Client, own: httpx.Client) -> None:
    page = explorer.get("/explorer/v1/createAnnotation").text
    assert 'name="where"' not in page
    assert "The time that it marks" in page
    text = {"p-text": "Release 2.4", "p-at": "2026-01-31T12:00Z"}
    assert "HTTP 201" in send(explorer, "/explorer/v1/createAnnotation", where=ACCOUNT, **text)
    (made,) = own.get("/v1/annotations").json()["annotations"]
    assert (made["text"], made["at"]) == ("Release 2.4", 1_769_860_800_000)
    number = {"p-annotation_id": str(made["id"])}
    assert "HTTP 200" in send(explorer, "/explorer/v1/deleteAnnotation", **number)
    assert own.get("/v1/annotations").json() == {"annotations": []}


def test_what_is_sent_to_the_sandbox_counts_there_and_nowhere_else(
    explorer: httpx.Client, own: httpx.Client, server: LocalServer
) -> None:
    sent = send(explorer, MESSAGES, where=ACCOUNT, **{"p-message_id": "sandbox-1", "p-provider": "sandboxed"})
    assert "HTTP 200" in sent
    told = send(explorer, SIGNED, where=ACCOUNT, **{"p-MessageId": "sandbox-1", "p-Delivered": "true"})
    assert "HTTP 200" in told
    assert "sandboxed" in send(explorer, RATES, where=ACCOUNT, **{"p-by": "provider"})
    assert own.get("/v1/rates").json()["rows"][0]["requested"] == 0
    assert own.get("/v1/messages/sandbox-1").status_code == 404
    with closing(open_key_store(load(data=server.data))) as store:
        (made,) = [key for key in store.list() if key.account_name == ACCOUNT and key.user == "explorer"]
    assert made.policies == ("OtpconvReadOnly", "OtpconvReportOnly")
    assert made.secret not in sent + told


def test_a_call_in_the_own_account_counts_there(explorer: httpx.Client, own: httpx.Client) -> None:
    assert "HTTP 200" in send(explorer, MESSAGES, where="own", **{"p-message_id": "own-1"})
    assert own.get("/v1/messages/own-1").status_code == 200


def test_an_operator_can_disable_the_sandbox(make_server: Callable[..., LocalServer]) -> None:
    server = make_server()
    server.start()
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}) as client:
        pasted = f"{server.access_key_id}:{server.access_key_secret}"
        client.post("/sign-in", data={"access_key_id": pasted})
        assert "HTTP 200" in send(client, MESSAGES, where=ACCOUNT, **{"p-message_id": "m"})
        with closing(open_key_store(load(data=server.data))) as store:
            (key_id,) = [key.access_key_id for key in store.list() if key.account_name == ACCOUNT]
            store.set_active(key_id, active=False)
        page = client.get(MESSAGES).text
        token = re.search(r'name="form_token" value="([^"]+)"', page)
        assert token
        answer = client.post(MESSAGES, data={"form_token": token[1], "where": ACCOUNT})
        assert answer.status_code >= 400
        assert f"otpconv keys enable {key_id}" in answer.text
