"""Prelude's official SDKs for Python and Node, unmodified, redirected by a variable alone."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prelude_python_sdk import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    Prelude,
)

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import environment
from sdk.vendor_pages import code_of, run_python

Eventually = Callable[[Callable[[], object], object], None]
NUMBER = "+4915112345670"


@pytest.fixture
def redirected(server: LocalServer, key: AccessKey, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of the page."""
    words = code_of("prelude", "console", server.url, key).split()
    assert words[0] == "export"
    variables = dict(word.split("=", 1) for word in words[1:])
    assert [*variables] == ["PRELUDE_BASE_URL", "API_TOKEN"]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def node_page(server: LocalServer, key: AccessKey) -> str:
    return code_of("prelude", "javascript", server.url, key)


def feedback(kind: str, number: str = NUMBER, **metadata: str) -> Any:  # noqa: ANN401 - as the SDK has it
    target = {"type": "phone_number", "value": number}
    return {"target": target, "type": f"verification.{kind}", "metadata": metadata}


def rates(own: httpx.Client) -> list[tuple[str, int, int]]:
    rows = own.get("/v1/rates", params={"by": "country"}).json()["rows"]
    return [(row["country"], row["requested"], row["verified"]) for row in rows]


@pytest.mark.usefixtures("redirected")
def test_the_page_works_as_written(
    server: LocalServer, key: AccessKey, own: httpx.Client, eventually: Eventually
) -> None:
    run_python("prelude", server.url, key)["client"].close()
    message = own.get("/v1/messages/login-4711").json()
    assert message["verified"] is True
    assert (message["country"], message["access_key"]) == ("DE", key.access_key_id)
    eventually(lambda: rates(own), [("DE", 1, 1)])


def test_the_page_works_as_written_in_node(
    redirected: dict[str, str], node_modules: Path, own: httpx.Client, node_page: str, tmp_path: Path
) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules)
    page = tmp_path / "page.mjs"
    page.write_text(node_page)
    command = ["node", page]
    subprocess.run(command, env=environment() | redirected, check=True, timeout=60)  # noqa: S603 - our own page
    assert own.get("/v1/messages/login-4712").json()["verified"] is True


@pytest.mark.usefixtures("redirected")
def test_without_an_id_a_number_is_enough(own: httpx.Client, eventually: Eventually) -> None:
    with Prelude() as client:
        answer = client.watch.send_feedbacks(
            feedbacks=[feedback("started"), feedback("started", "+85251234567")]
        )
        assert answer.status == "success"
        assert answer.request_id
        for _ in range(2):  # a repeat
            client.watch.send_feedbacks(feedbacks=[feedback("completed")])
    eventually(lambda: sorted(rates(own)), [("DE", 1, 1), ("HK", 1, 0)])


@pytest.mark.usefixtures("redirected")
def test_feedbacks_of_one_call_are_counted_in_their_order(own: httpx.Client, eventually: Eventually) -> None:
    feedbacks = []
    for number in range(50):
        login = {"correlation_id": f"login-{number}"}
        feedbacks += [feedback("started", f"+49151123456{number:02}", **login)]
        feedbacks += [feedback("completed", f"+49151123456{number:02}", **login if number % 2 else {})]
    with Prelude() as client:
        client.watch.send_feedbacks(feedbacks=feedbacks)
    eventually(lambda: rates(own), [("DE", 50, 50)])


@pytest.fixture
def client(redirected: dict[str, str]) -> Iterator[Prelude]:
    """A client that does not retry."""
    assert redirected
    with Prelude(max_retries=0) as made:
        yield made


@pytest.mark.parametrize(
    ("feedbacks", "code", "says"),
    [
        ([], "empty_batch", "at least one"),
        ([feedback("started", "12")], "invalid_phone_number", "feedbacks[0].target.value"),
        ([feedback("completed", "+4915112345679", correlation_id="taken")], "bad_request", "another number"),
    ],
)
def test_a_refused_feedback_raises_the_sdks_own_exception(
    client: Prelude, own: httpx.Client, feedbacks: list[Any], code: str, says: str
) -> None:
    client.watch.send_feedbacks(feedbacks=[feedback("started", correlation_id="taken")])
    with pytest.raises(BadRequestError) as caught:
        client.watch.send_feedbacks(feedbacks=feedbacks)
    body: Any = caught.value.body
    assert (body["code"], body["type"]) == (code, "bad_request")
    assert says in body["message"]
    assert own.get("/v1/messages/taken").json()["verified"] is False


@pytest.mark.parametrize("token", ["sk_live", "{id}:wrong", "LTAInobody:{secret}"])
def test_a_wrong_token_raises_the_sdks_own_exception(client: Prelude, key: AccessKey, token: str) -> None:
    client.api_token = token.format(id=key.access_key_id, secret=key.secret)
    with pytest.raises(AuthenticationError) as caught:
        client.watch.send_feedbacks(feedbacks=[feedback("started")])
    body: Any = caught.value.body
    assert body["code"] == "invalid_bearer_token"


def test_policies_decide(client: Prelude, make_key: Callable[..., AccessKey]) -> None:
    reader, reporter = make_key("OtpconvReadOnly"), make_key("OtpconvReportOnly")
    client.api_token = f"{reader.access_key_id}:{reader.secret}"
    with pytest.raises(PermissionDeniedError, match="prelude:SendFeedbacks"):
        client.watch.send_feedbacks(feedbacks=[feedback("started")])
    client.api_token = f"{reporter.access_key_id}:{reporter.secret}"
    assert client.watch.send_feedbacks(feedbacks=[feedback("started")]).status == "success"


def test_other_calls_are_not_here(client: Prelude) -> None:
    with pytest.raises(NotFoundError, match="does not send messages"):
        client.verification.create(target={"type": "phone_number", "value": NUMBER})
