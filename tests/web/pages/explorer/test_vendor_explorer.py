"""The explorer of the other vendors: calls in the sandbox and in the own account, and pasted requests."""

import base64
import re
from collections.abc import Callable, Iterator
from html import unescape

import httpx
import pytest

from dialects.vendor_cases import CASES, name_of
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.dialects.tutor.operation import Operation, Way
from otpconv.dialects.tutor.vendor import Vendor
from otpconv.service.sandbox import ACCOUNT
from web.wire import NO_TLS

FEEDBACK = "/explorer/twilio/CreateMessageFeedback"


@pytest.fixture
def sign_in(server: LocalServer) -> Iterator[Callable[[AccessKey], httpx.Client]]:
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}, verify=NO_TLS) as client:

        def with_key(key: AccessKey) -> httpx.Client:
            client.post("/sign-in", data={"access_key_id": f"{key.access_key_id}:{key.secret}"})
            return client

        yield with_key


@pytest.fixture
def explorer(sign_in: Callable[[AccessKey], httpx.Client], key: AccessKey) -> httpx.Client:
    """A browser that is signed in."""
    return sign_in(key)


def send(explorer: httpx.Client, path: str, **fields: str) -> str:
    """What the page shows after a form is sent."""
    token = re.search(r'name="form_token" value="([^"]+)"', explorer.get(path).text)
    assert token
    answer = explorer.post(path, data={"form_token": token[1], "do": "call", "where": ACCOUNT, **fields})
    assert answer.status_code == 200
    return unescape(answer.text)


@pytest.mark.parametrize(("vendor", "operation", "way"), CASES, ids=name_of)
def test_every_operation_is_called_in_the_sandbox_and_answered_as_by_the_vendor(
    explorer: httpx.Client, key: AccessKey, vendor: Vendor, operation: Operation, way: Way
) -> None:
    given = {f"p-{each.name}": each.example for each in operation.parameters if each.mandatory}
    if vendor.name == "didit":  # a repeat is refused
        given["p-message_id"] = f"sandboxed-{key.access_key_id}"
    if operation.name == "FetchVerificationAttempt":
        send(explorer, "/explorer/v1/recordMessages", **{"p-message_id": "1008030300"})
    page = send(explorer, f"/explorer/{vendor.name}/{operation.name}", way=way.name, **given)
    status = re.search(r'class="badge[^"]*">HTTP (\d+)', page)
    assert status
    assert status[1].startswith("2"), page.partition('id="reply"')[2][:300]
    assert f'value="{way.name}" checked' in page
    assert key.secret not in page
    if way.curl:
        assert way.curl in page
    else:
        assert "Signed just now" in page


def test_a_call_counts_in_the_account_that_was_chosen(
    explorer: httpx.Client, key: AccessKey, own: httpx.Client
) -> None:
    message = f"SM{key.access_key_id}"
    own.post("/v1/messages", json={"messages": [{"message_id": message}]})
    given = {"p-MessageSid": message, "p-Outcome": "confirmed"}
    assert "HTTP 201" in send(explorer, FEEDBACK, **given)
    assert own.get(f"/v1/messages/{message}").json()["verified"] is False
    assert "HTTP 201" in send(explorer, FEEDBACK, **{**given, "where": "own"})
    assert own.get(f"/v1/messages/{message}").json()["verified"] is True


def test_policies_refuse_in_the_vendors_form_and_the_page_says_so_before(
    sign_in: Callable[[AccessKey], httpx.Client], make_key: Callable[..., AccessKey]
) -> None:
    reader = sign_in(make_key("OtpconvReadOnly"))
    assert "may not do twilio:CreateMessageFeedback" in reader.get(FEEDBACK).text
    page = send(reader, FEEDBACK, **{"where": "own", "p-MessageSid": "SM1", "p-Outcome": "confirmed"})
    assert "HTTP 403" in page
    assert '"code": 20006' in page
    assert "/errors/twilio/20006" in page


@pytest.mark.parametrize("path", ["/explorer/aws/Nonsense", "/explorer/nobody/Conversion"])
def test_there_is_no_other_operation(explorer: httpx.Client, path: str) -> None:
    assert explorer.get(path).status_code == 404


def test_a_pasted_request_with_its_secret_is_diagnosed_and_the_secret_not_shown_again(
    explorer: httpx.Client, key: AccessKey
) -> None:
    login = base64.b64encode(f"{key.access_key_id}:{key.secret}\n".encode()).decode()
    path = "/2010-04-01/Accounts/AC1/Messages/SM1/Feedback.json"
    pasted = f"POST {path} HTTP/1.1\nHost: otp.example\nAuthorization: Basic {login}\n\nOutcome=confirmed"
    for wrong in (pasted.replace("/Messages/", "/Calls/"), pasted.replace("/2010-04-01/", "/1999/")):
        assert login not in send(explorer, "/explorer/diagnosis", request=wrong)
    page = send(explorer, "/explorer/diagnosis", request=pasted)
    assert "It is a request to Twilio Messaging and Verify." in page
    assert f"{key.access_key_id} is known and active." in page
    assert "a line feed behind it" in page
    assert login not in page
    assert key.secret not in page


def test_a_path_of_no_vendor_is_not_diagnosed_as_alibabas(explorer: httpx.Client) -> None:
    page = send(explorer, "/explorer/diagnosis", request="POST /2011-04-01/Messages HTTP/1.1\nHost: h")
    assert "No vendor's API has the path /2011-04-01/Messages" in page
    assert "MissingSignature" not in page
