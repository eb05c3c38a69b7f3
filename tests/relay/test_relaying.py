"""A server passes reports on to vendors: the API and the commands, over real sockets."""

import base64
import hmac
import json
import random
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from campaigns import rounds
from cli.commands import Run
from faults.bad_server import BadServer, http, saying, unless, well
from otpconv.access.keys import AccessKey
from otpconv.access.vendors import MAX_PROVIDER_CHARS, MAX_SETTING_CHARS, MAX_VENDORS
from otpconv.cli.local_server import LocalServer
from otpconv.service.vendors import MAX_PER_SECOND
from otpconv.storage.relay.contract import MAX_LETTERS

Eventually = Callable[[Callable[[], object], object], None]


@pytest.fixture
def vendor() -> Iterator[BadServer]:
    with BadServer() as running:
        yield running


def report(client: httpx.Client, *ids: str, provider: str = "ali") -> None:
    messages = [{"message_id": name, "provider": provider} for name in ids]
    assert client.post("/v1/messages", json={"messages": messages}).json()["recorded"] == len(ids)
    conversions = [{"message_id": name, "delivered": True} for name in ids]
    assert client.post("/v1/conversions", json={"conversions": conversions}).json()["recorded"] == len(ids)


def create(at: Run, kind: str, url: str, tmp_path: object, *more: object) -> None:
    secrets = {"alibaba": "access_key_secret=s3cret-Key", "webhook": "signing_secret=s3cret-Key"}[kind]
    file = tmp_path / "secrets"  # type: ignore[operator]
    file.write_text(secrets)
    words = ["vendors", "create", "ali", "--kind", kind, "--provider", "ali", "--setting", f"endpoint={url}"]
    own = ["--setting", "access_key_id=LTAIvendor"] if kind == "alibaba" else []
    made = at(*words, *own, "--secrets", file, "--json", *more)
    assert made.returncode == 0, made.stderr
    assert "s3cret-Key" not in made.stdout + made.stderr
    assert json.loads(made.stdout)["secrets"]


def state(at: Run) -> dict[str, object]:
    (found,) = json.loads(at("relay", "status", "--json").stdout)
    return found


def test_conversions_reach_the_vendor_of_their_message(
    at: Run, own: httpx.Client, vendor: BadServer, eventually: Eventually, tmp_path: object
) -> None:
    create(at, "alibaba", vendor.url, tmp_path)
    report(own, "a", "b")
    report(own, "c", provider="another")
    eventually(lambda: dict(vendor.taken), {"a": 1, "b": 1})
    eventually(lambda: (state(at)["sent"], state(at)["waiting"]), (2, 0))
    for metric in ("feedbacks", "late_seconds", "failing", "paused"):
        eventually(lambda name=metric: f"otpconv_relay_{name}{{" in own.get("/metrics").text, True)
    (heard, _) = vendor.heard
    assert "Action" not in heard.target
    assert dict(heard.headers)["x-acs-action"] == "SmsConversion"
    assert heard.reports[0]["Delivered"] == "true"
    listed = at("vendors", "list", "--json").stdout
    assert "s3cret-Key" not in listed
    assert json.loads(listed)[0]["settings"]["access_key_id"] == "LTAIvendor"
    assert at("vendors", "delete", "ali").returncode == 0
    assert json.loads(at("relay", "status", "--json").stdout) == []


def test_a_refused_report_is_a_dead_letter_until_an_operator_retries(
    at: Run, own: httpx.Client, vendor: BadServer, eventually: Eventually, tmp_path: object
) -> None:
    refusal = {"ResponseCode": "MESSAGE_ID_ILLEGAL", "ResponseDescription": "The message ID is invalid."}
    vendor.answer = unless("bad", saying(http(200, refusal)))
    create(at, "alibaba", vendor.url, tmp_path)
    report(own, "bad", "good")
    eventually(lambda: (state(at)["sent"], state(at)["dead"]), (1, 1))
    (letter,) = json.loads(at("relay", "dead-letters", "ali", "--json").stdout)
    assert (letter["message_id"], letter["code"]) == ("bad", "MESSAGE_ID_ILLEGAL")
    assert "SendMessage" in letter["remedy"]
    vendor.answer = well
    assert json.loads(at("relay", "retry", "ali", "--json").stdout) == {"retried": 1}
    eventually(lambda: (state(at)["sent"], state(at)["dead"]), (2, 0))


def test_a_paused_relay_waits(
    at: Run, own: httpx.Client, vendor: BadServer, eventually: Eventually, tmp_path: object
) -> None:
    vendor.answer = saying(http(204, b""))
    create(at, "webhook", f"{vendor.url}/hook?from=otpconv", tmp_path)
    assert at("relay", "pause", "ali").returncode == 0
    report(own, "a")
    eventually(lambda: (state(at)["state"], state(at)["waiting"]), ("paused", 1))
    assert vendor.heard == []
    assert at("relay", "resume", "ali").returncode == 0
    eventually(lambda: (state(at)["state"], state(at)["sent"]), ("closed", 1))
    (heard,) = vendor.heard
    headers = dict(heard.headers)
    assert (heard.target, json.loads(heard.body)["conversions"][0]["message_id"]) == (
        "/hook?from=otpconv",
        "a",
    )
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + heard.body
    signature = base64.b64encode(hmac.digest(b"s3cret-Key", signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{signature}"


@pytest.mark.rounds
def test_whenever_a_paused_relay_is_resumed_it_goes_on(
    own: httpx.Client, vendor: BadServer, eventually: Eventually
) -> None:
    """Its threads are looked after once a second: it may be resumed before or after it was stopped."""
    settings = {"endpoint": vendor.url, "access_key_id": "LTAIvendor", "access_key_secret": "s3cret-Key"}
    body = {"name": "ali", "kind": "alibaba", "provider": "ali", "settings": settings}
    assert own.post("/v1/vendors", json=body).status_code == 201
    chance = random.Random(1)
    for number in range(rounds(60, at_least=4)):
        assert own.post("/v1/relay/ali/pause").status_code == 200
        report(own, f"{number}")
        time.sleep(chance.uniform(0.8, 1.4))
        assert own.post("/v1/relay/ali/resume").status_code == 200
        eventually(lambda number=number: vendor.taken[f"{number}"], 1)


def test_the_credentials_can_be_proven(
    at: Run, server: LocalServer, key: AccessKey, tmp_path: object
) -> None:
    """The vendor is this very server, by Alibaba's dialect."""
    file = tmp_path / "secrets"  # type: ignore[operator]
    words = [
        "vendors",
        "create",
        "--kind",
        "alibaba",
        "--setting",
        f"endpoint={server.url}",
        "--secrets",
        file,
    ]
    for name, secret in (("right", key.secret), ("wrong", "another")):
        file.write_text(f"access_key_secret={secret}")
        made = at(*words, name, "--provider", name, "--setting", f"access_key_id={key.access_key_id}")
        assert made.returncode == 0, made.stderr
    assert at("vendors", "test", "right").returncode == 0
    wrong = at("vendors", "test", "wrong")
    assert (wrong.returncode, "SignatureDoesNotMatch" in wrong.stderr) == (1, True)
    wrong = at("vendors", "test", "wrong", "--json")
    assert (wrong.returncode, json.loads(wrong.stdout)["code"]) == (1, "SignatureDoesNotMatch")
    for name in ("right", "wrong"):
        at("vendors", "delete", name)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"kind": "alibab"}, "did you mean alibaba?"),
        ({"settings": {"access_key_id": "a"}}, "needs access_key_secret"),
        ({"settings": {"access_key_id": "a", "access_key_secret": "b", "x": "y"}}, "no setting 'x'"),
        ({"provider": ""}, "provider"),
        ({"name": "a b"}, "name"),
        ({"settings": {"access_key_id": "a", "access_key_secret": "b", "endpoint": "ftp://x"}}, "endpoint"),
    ],
)
def test_a_wrong_vendor_account_is_refused(own: httpx.Client, given: dict[str, object], what: str) -> None:
    settings = {"access_key_id": "a", "access_key_secret": "s3cret-Key"}
    usual = {"name": "ali", "kind": "alibaba", "provider": "p", "settings": settings}
    answer = own.post("/v1/vendors", json=usual | given)
    assert (answer.status_code, what in answer.json()["detail"]) == (400, True), answer.text
    assert "s3cret-Key" not in answer.text


def test_policies_decide_who_may(server: LocalServer, make_key: Callable[..., AccessKey]) -> None:
    key = make_key("OtpconvReadOnly")
    with httpx.Client(base_url=server.url, auth=(key.access_key_id, key.secret)) as client:
        assert client.get("/v1/relay").status_code == 200
        for method, path in (
            ("GET", "/v1/vendors"),
            ("POST", "/v1/vendors"),
            ("DELETE", "/v1/vendors/ali"),
            ("POST", "/v1/vendors/ali/test"),
            ("POST", "/v1/relay/ali/pause"),
            ("POST", "/v1/relay/ali/retry"),
        ):
            assert client.request(method, path).status_code == 403


def test_what_callers_choose_is_bounded(own: httpx.Client) -> None:
    def post(number: int, **more: object) -> httpx.Response:
        usual = {"name": f"n{number}", "kind": "webhook", "provider": f"p{number}"}
        settings = {"endpoint": "http://127.0.0.1:1", "signing_secret": "s"}
        return own.post("/v1/vendors", json=usual | {"settings": settings} | more)

    assert post(0, provider="p" * (MAX_PROVIDER_CHARS + 1)).status_code == 400
    assert post(0, per_second=MAX_PER_SECOND + 1).status_code == 400
    assert post(0, per_second=-1).status_code == 400
    long = {"endpoint": "http://127.0.0.1:1", "signing_secret": "s" * (MAX_SETTING_CHARS + 1)}
    assert post(0, settings=long).status_code == 400
    for number in range(MAX_VENDORS):
        assert post(number).status_code == 201
    assert "maximum" in post(MAX_VENDORS).json()["detail"]
    for limit in ("0", str(MAX_LETTERS + 1), "x"):
        assert own.get("/v1/relay/n0/dead-letters", params={"limit": limit}).status_code == 400
    for number in range(MAX_VENDORS):
        assert own.delete(f"/v1/vendors/n{number}").status_code == 200
    assert own.delete("/v1/vendors/n0").status_code == 404
