"""Messages are found by a number: in the API, on the page and in the command line."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from audited import audited
from otpconv import audit
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.cli.main import app
from otpconv.dialects.native.reports import MAX_FOUND

NUMBER, OTHER = "+34600000001", "+34600000002"
SENT = 1_716_985_600_000


@pytest.fixture
def sent(own: httpx.Client) -> None:
    messages = [
        {"message_id": f"m{number}", "to": NUMBER, "requested_at": SENT + number * 60_000, "provider": "acme"}
        for number in range(4)
    ]
    messages.append({"message_id": "other", "to": OTHER, "requested_at": SENT})
    own.post("/v1/messages", json={"messages": messages}).raise_for_status()
    conversions = [{"message_id": "m2", "delivered": True, "conversion_time": SENT + 130_000}]
    own.post("/v1/conversions", json={"conversions": conversions}).raise_for_status()


@pytest.mark.usefixtures("sent")
def test_a_number_finds_its_newest_messages_with_their_stories(own: httpx.Client) -> None:
    answer = own.post("/v1/messages/search", json={"to": "0034 600 000 001", "limit": 3})
    found = answer.json()
    assert [message["message_id"] for message in found["messages"]] == ["m3", "m2", "m1"]
    assert found["more"] is True
    assert [message["status"] for message in found["messages"]] == ["overdue", "verified", "overdue"]
    assert found["messages"][2]["advice"] == "Nothing to do: the user was verified with message m2."
    assert "Sent at 2024-05-29T12:27:40Z by sms through acme to ES." in found["messages"][2]["story"]
    assert answer.headers["cache-control"] == "no-store"
    assert own.post("/v1/messages/search", json={"to": "+34600000003"}).json() == {
        "messages": [],
        "more": False,
    }


def test_the_story_of_a_message_knows_its_session(own: httpx.Client) -> None:
    login = {"to": "+34600000007", "session_id": "log-in 7"}
    messages = [
        login | {"message_id": "first", "requested_at": SENT},
        login | {"message_id": "second", "requested_at": SENT + 60_000},
        {"message_id": "later", "to": "+34600000007", "requested_at": SENT + 90_000},
    ]
    own.post("/v1/messages", json={"messages": messages}).raise_for_status()
    conversion = {"message_id": "second", "delivered": True, "conversion_time": SENT + 70_000}
    own.post("/v1/conversions", json={"conversions": [conversion]}).raise_for_status()
    story = own.post("/v1/messages/search", json={"to": "+34600000007"}).json()["messages"][2]["story"]
    assert "2 other messages to the same user are known." in story
    first = own.get("/v1/messages/first").json()
    # Who may not search by number learns only of messages of the same session.
    assert "1 other message to the same user is known." in first["story"]
    assert first["advice"] == "Nothing to do: the user was verified with message second."


@pytest.mark.usefixtures("sent")
def test_a_search_is_audited_without_the_number(
    own: httpx.Client, server: LocalServer, key: AccessKey
) -> None:
    own.post("/v1/messages/search", json={"to": NUMBER}).raise_for_status()
    lines = [line for line in audited(server.data) if line["who"] == key.access_key_id]
    (line,) = [line for line in lines if line["what"] == "otpconv:FindMessages"]
    assert (line["outcome"], line["subject"], line["user"]) == ("done", "4 messages", key.user)
    assert "600000001" not in (server.data / audit.FILE).read_text()


def test_a_search_needs_its_own_action(server: LocalServer, make_key: Callable[..., AccessKey]) -> None:
    reader = make_key("OtpconvReadOnly")
    auth = reader.access_key_id, reader.secret
    answer = httpx.post(f"{server.url}/v1/messages/search", auth=auth, json={"to": NUMBER})
    assert answer.status_code == 403
    assert "otpconv:FindMessages" in answer.json()["detail"]


@pytest.mark.usefixtures("sent")
def test_another_account_finds_nothing(server: LocalServer, make_key: Callable[..., AccessKey]) -> None:
    stranger = make_key()
    auth = stranger.access_key_id, stranger.secret
    answer = httpx.post(f"{server.url}/v1/messages/search", auth=auth, json={"to": NUMBER})
    assert answer.json()["messages"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"to": "me"}, "InvalidNumber"),
        ({"to": NUMBER, "limit": 0}, "InvalidRequest"),
        ({"to": NUMBER, "limit": MAX_FOUND + 1}, "InvalidRequest"),
        ({}, "InvalidRequest"),
        ({"to": NUMBER, "number": NUMBER}, "InvalidRequest"),
    ],
)
def test_a_malformed_search_is_refused(own: httpx.Client, body: dict[str, object], code: str) -> None:
    answer = own.post("/v1/messages/search", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.usefixtures("sent")
def test_the_page_takes_an_id_or_a_number_and_no_url_has_the_number(
    server: LocalServer, key: AccessKey, make_key: Callable[..., AccessKey]
) -> None:
    def submit(browser: httpx.Client, text: str) -> httpx.Response:
        page = browser.get("/dashboard/message").text
        token = page.split('name="form_token" value="')[1].split('"')[0]
        return browser.post("/dashboard/message", data={"form_token": token, "message_id": text})

    @contextmanager
    def signed_in(who: AccessKey) -> Iterator[httpx.Client]:
        headers = {"accept": "text/html", "origin": server.url}
        with httpx.Client(base_url=server.url, headers=headers) as browser:
            form = {"access_key_id": who.access_key_id, "access_key_secret": who.secret}
            assert browser.post("/sign-in", data=form).status_code == 303
            yield browser

    with signed_in(key) as browser:
        by_id = submit(browser, " m1 ")
        assert (by_id.status_code, by_id.headers["location"]) == (303, "/dashboard/message?message_id=m1")
        page = browser.get("/dashboard/message?message_id=m1").text
        assert "What to do" in page
        for text in (NUMBER, NUMBER[1:], "+34 600 00 00 01"):
            by_number = submit(browser, text)
            assert by_number.status_code == 200
            assert "Nothing to do: the user was verified with message m2." in by_number.text
            assert NUMBER not in by_number.text
        assert "No message to this number" in submit(browser, "+34600000003").text
        assert submit(browser, "+34").status_code == 404
        assert submit(browser, "unknown").status_code == 404
        assert browser.post("/dashboard/message", data={"message_id": NUMBER}).status_code == 403
    with signed_in(make_key("OtpconvReadOnly", key.account_name)) as browser:
        assert submit(browser, "m1").status_code == 303
        assert submit(browser, NUMBER).status_code == 403


@pytest.mark.usefixtures("sent")
def test_the_command_line_tells_the_story(server: LocalServer, key: AccessKey, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(f"{key.access_key_id}:{key.secret}\n")
    key_file.chmod(0o600)

    def run(*words: str) -> str:
        options = ["--endpoint", server.url, "--key-file", str(key_file)]
        result = CliRunner().invoke(
            app, ["message", *words, *options], standalone_mode=False, catch_exceptions=False
        )
        return result.stdout

    assert run("m2").splitlines() == [
        "m2: verified",
        "  Sent at 2024-05-29T12:28:40Z by sms through acme to ES.",
        "  Verified at 2024-05-29T12:28:50Z, 10 s after it was sent.",
        "  -> Nothing to do: the user was verified.",
    ]
    assert [line for line in run("--number", NUMBER).splitlines() if line.startswith("m")] == [
        "m3: overdue",
        "m2: verified",
        "m1: overdue",
        "m0: overdue",
    ]
    assert json.loads(run("--number", OTHER, "--json"))["messages"][0]["message_id"] == "other"
