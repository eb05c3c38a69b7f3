"""The code that the explorer shows, run as it is with the official SDKs, and compared with its request."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from dialects.vendor_cases import CASES, Case, name_of
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import environment
from otpconv.dialects.dialect import HttpRequest
from otpconv.dialects.sinch.tokens import LIFETIME_S
from otpconv.dialects.tutor.operation import Operation, Signer, Way
from otpconv.dialects.tutor.vendor import Vendor, walk
from otpconv.errors import Refused
from sdk.recorder import Recorder, recording
from sdk.vendor_pages import request_messages
from web.front.test_tls import certificate
from web.wire import NO_TLS

#: The parameters that name a message; its value is the id in a report.
IDS = {
    "MessageId",
    "MessageSid",
    "SerialNo",
    "MessageIDs",
    "message-id",
    "reference_id",
    "batch_id",
    "messageId",
}
IDS |= {"message_id", "metadata.correlation_id"}
NUMBER = "+4915112345670"
#: Its SDK adds parameters to the signed ones.
NOT_EXACT = {"HmacSHA256", "HmacSHA1"}


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    cert, key = certificate(tmp_path_factory.mktemp("recorder"), "own")
    with pytest.MonkeyPatch.context() as patched, recording(cert, key) as running:
        patched.setenv("REQUESTS_CA_BUNDLE", str(cert))
        patched.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield running


@pytest.fixture(scope="module")
def server(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server whose code calls the recorder."""
    settings = {"OTPCONV_PUBLIC_URL": f"http://127.0.0.1:{recorder.server_port}"}
    with LocalServer(tmp_path_factory.mktemp("explorer") / "data", settings) as running:
        recorder.target = int(running.url.rpartition(":")[2])
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("OTPCONV_ACCESS_KEY_ID", running.access_key_id)
            patched.setenv("OTPCONV_ACCESS_KEY_SECRET", running.access_key_secret)
            yield running


@pytest.fixture(scope="module")
def own(server: LocalServer) -> Iterator[httpx.Client]:
    auth = (server.access_key_id, server.access_key_secret)
    with httpx.Client(base_url=server.url, auth=auth, verify=NO_TLS) as client:
        yield client


@pytest.fixture(scope="module")
def browser(server: LocalServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}, verify=NO_TLS) as client:
        login = f"{server.access_key_id}:{server.access_key_secret}"
        client.post("/sign-in", data={"access_key_id": login})
        yield client


def signed(browser: httpx.Client, case: Case, given: dict[str, str], do: str = "sign") -> str:
    """Return the page of a call."""
    vendor, operation, way = case
    path = f"/explorer/{vendor.name}/{operation.name}"
    token = re.search(r'name="form_token" value="([^"]+)"', browser.get(path).text)
    assert token
    fields = {f"p-{name}": value for name, value in given.items()}
    form = {"form_token": token[1], "do": do, "where": "own", "way": way.name}
    answer = browser.post(path, data=form | fields)
    assert answer.status_code == 200
    return answer.text


def block(page: str, name: str) -> str:
    """Return a block of code of a page; empty if there is none."""
    found = re.search(rf'<pre[^>]* id="{name}"><code>(.*?)</code>', page, re.DOTALL)
    return unescape(found[1]) if found else ""


def setup(page: str, language: str) -> dict[str, str]:
    """Return the variables that are to be set before the code runs."""
    part = page.partition(f'data-language="{language}"')[2].partition('id="code-')[0]
    lines = re.findall(r"^export (.*)$", unescape(part.replace("</code>", "\n")), re.MULTILINE)
    words = [word for line in lines for word in shlex.split(line)]
    return {name: os.path.expandvars(value) for name, value in (word.split("=", 1) for word in words)}


def examples(operation: Operation, prefix: str) -> dict[str, str]:
    """Return the examples, with ids of messages of this case alone."""
    return {
        each.name: prefix + each.example.replace(", ", f", {prefix}") if each.name in IDS else each.example
        for each in operation.parameters
        if each.mandatory or each.name in IDS or each.name in {"Country", "timestamp"}
    }


def content(vendor: Vendor, request: HttpRequest, now: int) -> tuple[object, ...]:
    """Return what a request says, without its credentials."""
    assert vendor.dialect.claims(request)
    call: Any = vendor.dialect.read(request)
    try:
        said: object = vendor.dialect.reports(call, 1, now, lambda _, number: number, "")
    except Refused:  # a question
        said = call.parameters
    return request.method, request.path, call.permission, call.access_key_id, said


def as_the_sdk(vendor: Vendor, request: HttpRequest, host: str, server: LocalServer) -> Signer:
    """Return who signs at the time and with the nonce that an SDK has used."""
    call: Any = vendor.dialect.read(request)
    at = getattr(call, "signed_at", None)
    if at is None and hasattr(call, "token"):
        at = call.token.expires_at - LIFETIME_S * 1_000
    return Signer(
        server.access_key_id, server.access_key_secret, host, at or 0, getattr(call, "nonce", "") or ""
    )


def check(vendor: Vendor, sent: HttpRequest, signer: Signer, case: Case, given: dict[str, str]) -> None:
    """Compare the request of an SDK with that of the explorer at the same time and with the same nonce."""
    _, operation, way = case
    ours = walk(vendor, operation, way, given, signer).request
    now = wall_clock()
    assert content(vendor, ours.received(), now) == content(vendor, sent, now)
    if way.name in NOT_EXACT:
        return
    fields = ours.received().fields
    assert {name: sent.fields.get(name) for name in fields} == fields
    if way.signature is not None and vendor.name != "vonage":  # its SDK writes True for true
        assert (ours.received().query, ours.body) == (sent.query, sent.body)


def was_reported(own: httpx.Client, message_id: str) -> bool:
    """Return whether a message, requested in 2023, is known to be converted."""
    state = own.get(f"/v1/messages/{message_id}").json()
    return bool(state["verified"] or state["delivered_without_time"])


@pytest.mark.parametrize(("vendor", "operation", "way"), CASES, ids=name_of)
def test_the_code_runs_as_it_is_shown_and_sends_the_request_that_is_shown(  # noqa: PLR0917 - fixtures
    browser: httpx.Client,
    own: httpx.Client,
    server: LocalServer,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    vendor: Vendor,
    operation: Operation,
    way: Way,
) -> None:
    case = vendor, operation, way
    given = examples(operation, f"{CASES.index(case)}-" if operation.method != "GET" else "")
    ids = [part for name in IDS & given.keys() for part in given[name].split(", ")]
    if operation.name == "FetchVerificationAttempt":
        ids = ["1008030300"]
    if ids and operation.name != "SendFeedbacks":
        request_messages(own, *ids, **{"to": NUMBER} if vendor.name == "sinch" else {})
    page = signed(browser, case, given)
    assert server.access_key_secret not in page
    host, ran = f"127.0.0.1:{recorder.server_port}", False
    for language in vendor.sdks.keys() - {"node"}:
        code = block(page, f"code-{language}")
        if not code or (vendor.name == "volcengine" and (language == "byteplus") != (way.name == "BytePlus")):
            continue
        for name, value in setup(page, language).items():
            monkeypatch.setenv(name, value)
        recorder.requests.clear()
        exec(compile(code, f"{vendor.name}.py", "exec"), {})  # noqa: S102 - of our own page
        sent, ran = recorder.requests[-1], True
        check(vendor, sent, as_the_sdk(vendor, sent, host, server), case, given)
    if operation.method != "GET" and operation.name != "SendFeedbacks" and ran:
        assert all(was_reported(own, message_id) for message_id in ids)
    head, _, rest = block(page, "request").partition("\n")
    ours = walk(vendor, operation, way, given, Signer(server.access_key_id, "", host, 0, "0"))
    assert head == f"{ours.shown.method} {ours.shown.target}"
    names = [line.partition(":")[0] for line in rest.partition("\n\n")[0].splitlines()]
    assert names == list(ours.shown.headers)


NODE = [case for case in CASES if "node" in case[0].sdks]


@pytest.mark.campaign("the Python code is run; the how-tos show that these SDKs for Node work")
@pytest.mark.parametrize("case", NODE, ids=lambda case: "-".join(map(name_of, case)))
def test_the_code_for_node_runs_as_it_is_shown(  # noqa: PLR0917 - fixtures
    browser: httpx.Client,
    own: httpx.Client,
    recorder: Recorder,
    server: LocalServer,
    node_modules: Path,
    tmp_path: Path,
    case: Case,
) -> None:
    vendor, operation, _ = case
    given = examples(operation, "")
    own.post("/v1/messages", json={"messages": [{"message_id": "1008030300"}]})
    page = signed(browser, case, given)
    (tmp_path / "node_modules").symlink_to(node_modules)
    script = tmp_path / "shown.mjs"
    script.write_text(block(page, "code-node"), encoding="utf-8")
    recorder.requests.clear()
    done = subprocess.run(  # noqa: S603 - code of our own page
        ["node", script],  # noqa: S607 - the one on the path
        env=environment() | setup(page, "node"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours = walk(*case, given, Signer(server.access_key_id, server.access_key_secret, "h", wall_clock(), "0"))
    sent, expected, now = recorder.requests[-1], ours.request.received(), wall_clock()
    if vendor.name == "twilio":  # its account in the path is another one
        assert vendor.dialect.read(sent).parameters == vendor.dialect.read(expected).parameters
    else:
        assert content(vendor, sent, now) == content(vendor, expected, now)
