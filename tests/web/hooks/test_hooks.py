"""Vendors push receipts to a server, over real sockets."""

import json
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest

from cli.commands import Run
from otpconv.access.keys import AccessKey
from otpconv.access.vendors import URL_SECRET
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.receipts import ReceiptStatus
from otpconv.service.engines import engine_of
from otpconv.service.opening import open_sealer
from web.hooks.vendors import DELIVERED, create, message, own_push, push, url_of

Eventually = Callable[[Callable[[], object], object], None]


def report(own: httpx.Client, *ids: str) -> None:
    messages = [{"message_id": name, "provider": "p"} for name in ids]
    assert own.post("/v1/messages", json={"messages": messages}).json()["recorded"] == len(ids)


def status(server: LocalServer, key: AccessKey, message_id: str) -> str | None:
    known = message(server, key, message_id)
    return known.receipt.status.name if known and known.receipt else None


def metrics(own: httpx.Client) -> list[str]:
    lines = own.get("/metrics").text.splitlines()
    return sorted(line for line in lines if line.startswith("otpconv_receipts_total{"))


@pytest.mark.parametrize("kind", DELIVERED)
def test_a_receipt_of_each_vendor_is_recorded_once_and_answered_as_the_vendor_wants(
    kind: str, server: LocalServer, own: httpx.Client, key: AccessKey, eventually: Eventually
) -> None:
    url = create(own, kind)
    report(own, "m-1")
    answer = DELIVERED[kind][2]
    for result in ("recorded", "unchanged"):
        pushed = push(url, kind, "m-1")
        assert pushed.is_success, pushed.text
        if answer is None:
            assert pushed.json()[result] == 1
        else:
            assert (pushed.status_code, pushed.text) == answer
        assert pushed.headers["cache-control"] == "no-store"
    eventually(lambda: status(server, key, "m-1"), "DELIVERED")
    assert metrics(own) == [
        f'otpconv_receipts_total{{result="{result}",vendor="{kind}"}} 1.0'
        for result in ("recorded", "unchanged")
    ]


def test_vonage_may_push_by_get_and_nobody_else_may(own: httpx.Client) -> None:
    vonage = create(own, "vonage")
    assert httpx.get(vonage, params={"messageId": "g-1", "status": "delivered"}).status_code == 200
    assert httpx.get(create(own, "tencent")).status_code == 405
    assert httpx.put(vonage).status_code == 405


def test_a_wrong_url_is_not_found_whatever_is_wrong_with_it(
    server: LocalServer, own: httpx.Client, key: AccessKey
) -> None:
    url = create(own, "webhook")
    path, _, secret = url.rpartition("/")
    gone = create(own, "webhook", "gone")
    assert own.delete("/v1/vendors/gone").is_success
    answers = set()
    wrong = (
        f"{path}/{secret[:-1]}x",
        f"{path}/{secret}x",
        f"{path}/x",
        f"{server.url}/hooks/no/{secret}",
        gone,
    )
    for each in wrong:
        refused = own_push(each, {"message_id": "w-1", "status": "sent"})
        answers.add((refused.status_code, refused.text, refused.headers["content-type"]))
        assert httpx.get(each, headers={"accept": "text/html"}).status_code == 404
    ((code, text, _),) = answers
    assert code == 404
    assert secret not in text
    assert message(server, key, "w-1") is None


def test_a_name_that_two_accounts_use_is_told_apart_by_the_secret(
    server: LocalServer,
    own: httpx.Client,
    key: AccessKey,
    make_key: Callable[..., AccessKey],
    eventually: Eventually,
) -> None:
    other = make_key()
    with httpx.Client(base_url=server.url, auth=(other.access_key_id, other.secret)) as client:
        theirs = create(client, "webhook", "main")
        report(client, "t-1")
    ours = create(own, "webhook", "main")
    report(own, "t-1")
    assert own_push(theirs, {"message_id": "t-1", "status": "sent"}).is_success
    assert own_push(ours, {"message_id": "t-1", "status": "delivered"}).is_success
    eventually(lambda: status(server, other, "t-1"), "SENT")
    eventually(lambda: status(server, key, "t-1"), "DELIVERED")


def test_a_new_secret_ends_the_old_url_and_the_commands_show_both(
    at: Run, own: httpx.Client, eventually: Eventually
) -> None:
    old = create(own, "webhook")
    assert json.loads(at("vendors", "receipts", "webhook", "--json").stdout)["url"] == old
    shown = at("vendors", "receipts", "webhook", "--new-secret")
    new = shown.stdout.splitlines()[0]
    assert new != old
    sent = {"message_id": "n-1", "status": "sent"}
    eventually(lambda: own_push(old, sent).status_code, 404)
    assert own_push(new, sent).is_success
    assert new.rpartition("/")[2] not in at("vendors", "list", "--json").stdout
    assert at("vendors", "receipts", "nobody").returncode == 1


def test_a_vendor_account_that_is_older_than_receipts_gets_a_secret_on_demand(
    server: LocalServer, own: httpx.Client, key: AccessKey, eventually: Eventually
) -> None:
    create(own, "webhook", "older")
    settings = load(data=server.data)
    store = engine_of(settings).access(wall_clock).vendors(open_sealer(settings))
    with closing(store):
        store.change(key.account, "older", lambda old: (old.settings, {}))
        (vendor,) = store.list(key.account)
        assert URL_SECRET not in vendor.secrets
    empty = f"{server.url}/hooks/older/"
    assert own_push(empty, {"message_id": "o-1", "status": "sent"}).status_code == 404
    url = url_of(own, "older")
    assert url == url_of(own, "older")
    eventually(lambda: own_push(url, {"message_id": "o-1", "status": "sent"}).status_code, 200)


def test_a_vendor_account_for_receipts_alone_needs_no_credentials_and_is_not_relayed(
    own: httpx.Client, at: Run
) -> None:
    create(own, "twilio", receipts_key="t0ken")
    (vendor,) = own.get("/v1/vendors").json()["vendors"]
    assert vendor["settings"]["relay"] == "off"
    assert vendor["secrets"] == ["receipts_key"]
    assert own.get("/v1/relay").json()["vendors"] == []
    tested = own.post("/v1/vendors/twilio/test").json()
    assert tested["proven"] is None
    body = {"name": "t2", "kind": "twilio", "provider": "t2", "settings": {}}
    assert own.post("/v1/vendors", json=body).status_code == 400
    for change in (
        {"make_known": "perhaps"},
        {"account_sid": "AC1"},
        {"topic_arn": "x"},
        {"url_secret": "x"},
    ):
        refused = own.post("/v1/vendors/twilio/receipts", json={"settings": change})
        assert refused.status_code == 400, change
    assert at("vendors", "receipts", "twilio", "--setting", "receipts_key=x").returncode == 2
    assert url_of(own, "twilio", settings={"receipts_key": "", "make_known": "on"})
    (vendor,) = own.get("/v1/vendors").json()["vendors"]
    assert (vendor["secrets"], vendor["settings"]["make_known"]) == ([], "on")


def test_receipts_are_managed_by_those_who_manage_vendor_accounts(
    server: LocalServer, make_key: Callable[..., AccessKey], own: httpx.Client
) -> None:
    create(own, "webhook")
    reader = make_key("OtpconvReadOnly")
    auth = (reader.access_key_id, reader.secret)
    refused = httpx.post(f"{server.url}/v1/vendors/webhook/receipts", auth=auth, json={})
    assert refused.status_code == 403


@pytest.mark.parametrize("kind", DELIVERED)
def test_a_receipt_makes_a_message_known_only_if_the_vendor_account_says_so(
    kind: str, server: LocalServer, own: httpx.Client, key: AccessKey, eventually: Eventually
) -> None:
    url = create(own, kind)
    assert push(url, kind, "k-1").is_success
    eventually(lambda: own.get("/v1/rates").json()["lag"], 0)
    known = message(server, key, "k-1")
    assert known is None or known.state.requested is None
    url_of(own, kind, settings={"make_known": "on"})
    eventually(lambda: push(url, kind, "k-2").is_success and status(server, key, "k-2"), "DELIVERED")
    known = message(server, key, "k-2")
    assert known is not None
    requested = known.state.requested
    assert requested is not None
    assert requested.dimensions.provider == kind
    country = {"twilio": "US", "vonage": "GB", "alibaba": "HK", "sinch": ""}.get(kind, "CN")
    assert requested.dimensions.country == country
    assert bool(requested.number) == bool(country)
    times = {"vonage": 1_792_930_229_000, "tencent": 1_795_573_533_000}
    sent_at = times.get(kind, 1_795_573_500_000 if kind.startswith("alibaba") else requested.requested_at)
    assert requested.requested_at == sent_at


def test_a_status_never_goes_back_and_a_price_is_kept(
    server: LocalServer, own: httpx.Client, key: AccessKey, eventually: Eventually
) -> None:
    url = create(own, "webhook")
    delivered = {"message_id": "s-1", "status": "delivered", "time": 1_795_573_533_000}
    late = {"message_id": "s-1", "status": "failed", "error": "E1", "time": 1_795_573_534_000}
    price = {"message_id": "s-1", "price": "0.0075", "currency": "USD", "segments": 2}
    assert own_push(url, late, price).json()["recorded"] == 2  # before its message
    report(own, "s-1")
    assert own_push(url, delivered, late).json() == {
        "recorded": 1,
        "unchanged": 1,
        "rejected": [],
        "ignored": [],
    }
    eventually(lambda: status(server, key, "s-1"), "DELIVERED")
    known = message(server, key, "s-1")
    assert known is not None
    assert known.receipt is not None
    assert known.receipt.times[ReceiptStatus.FAILED] == 1_795_573_534_000
    assert (known.receipt.price, known.receipt.currency, known.receipt.segments) == (7_500, "USD", 2)


def test_a_time_ahead_of_our_clock_is_now(
    server: LocalServer, own: httpx.Client, key: AccessKey, eventually: Eventually
) -> None:
    url = create(own, "webhook")
    report(own, "f-1")
    ahead = {"message_id": "f-1", "status": "sent", "time": 253_370_764_800_000}
    before = wall_clock()
    assert own_push(url, ahead).json()["recorded"] == 1
    assert own_push(url, ahead).json()["unchanged"] == 1
    eventually(lambda: status(server, key, "f-1"), "SENT")
    known = message(server, key, "f-1")
    assert known is not None
    assert known.receipt is not None
    time = known.receipt.times[ReceiptStatus.SENT]
    assert time is not None
    assert before <= time <= wall_clock()
    ancient = own_push(url, {"message_id": "f-1", "status": "sent", "time": 1})
    assert ancient.json()["rejected"][0]["code"] == "InvalidTime"
