"""The wire of each kind: the calls that it makes, and how it reads answers."""

import json
from base64 import b64encode

import pytest

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.connection import Response
from otpconv.delivery.transport import DELIVERED, Fate
from otpconv.relay.kind import Kind, Stamp
from otpconv.relay.kinds import KINDS
from otpconv.storage.relay.contract import Send

STAMP = Stamp(1_800_000_000_000, "ab" * 16)
SEND = Send(1, "SM0123", "received", 1_799_999_999_000, 1_900_000_000_000, 0)


def account(kind: Kind) -> VendorAccount:
    settings = {each.name: each.default or f"my-{each.name}" for each in kind.settings if not each.secret}
    secrets = {each.name: f"secret-{each.name}" for each in kind.settings if each.secret}
    return VendorAccount(
        id=1, account=1, name="v", kind=kind.name, provider="p", settings=settings, secrets=secrets
    )


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_call_names_the_message_and_no_secret_in_its_target(kind: Kind) -> None:
    made = kind.make(account(kind), [SEND], STAMP)
    whole = made.target.encode() + made.body
    assert b"SM0123" in whole
    assert b"secret-" not in whole
    assert kind.batch >= 1
    assert "received" in kind.feedbacks


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(
    ("status", "fates"),
    [
        (500, {Fate.FAILED}),
        (503, {Fate.FAILED}),
        (429, {Fate.BUSY}),
        (401, {Fate.REFUSED}),
        (302, {Fate.FAILED}),
    ],
)
def test_every_kind_waits_where_waiting_helps(kind: Kind, status: int, fates: set[Fate]) -> None:
    (outcome,) = kind.read(Response(status, {}, b""), [SEND], STAMP.now)
    assert outcome.fate in fates


def test_twilio_is_called_as_its_documentation_says() -> None:
    kind = KINDS["twilio"]
    made = kind.make(account(kind), [SEND], STAMP)
    assert (made.method, made.target, made.body) == (
        "POST",
        "/2010-04-01/Accounts/my-account_sid/Messages/SM0123/Feedback.json",
        b"Outcome=confirmed",
    )
    login = b64encode(b"my-api_key_sid:secret-auth_token").decode()
    assert made.headers["authorization"] == f"Basic {login}"
    assert kind.feedbacks == {"received"}
    unknown = json.dumps({"code": 20404, "message": "not found", "status": 404}).encode()
    (outcome,) = kind.read(Response(404, {}, unknown), [SEND], STAMP.now)
    assert (outcome.fate, outcome.code) == (Fate.REJECTED, "20404")
    assert kind.read(Response(201, {}, b"{}"), [SEND], STAMP.now) == [DELIVERED]


def test_a_webhook_may_reject_some() -> None:
    kind = KINDS["webhook"]
    rejected = [{"index": 1, "code": "InvalidTime", "message": "no"}]
    body = json.dumps({"recorded": 1, "unchanged": 0, "rejected": rejected}).encode()
    first, second = kind.read(Response(200, {}, body), [SEND, SEND], STAMP.now)
    assert (first, second.fate, second.code) == (DELIVERED, Fate.REJECTED, "InvalidTime")
