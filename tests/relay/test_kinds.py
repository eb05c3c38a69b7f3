"""The wire of each kind: the calls that it makes, and how it reads answers."""

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from faults.bad_server import BadServer, http, saying
from otpconv.access.vendors import VendorAccount
from otpconv.delivery.connection import Response
from otpconv.delivery.transport import DELIVERED, Fate
from otpconv.relay.calls import Calls
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


@pytest.fixture(scope="module")
def vendor() -> Iterator[BadServer]:
    """A server that answers as a vendor's documentation says."""
    with BadServer() as running:
        yield running


@pytest.mark.parametrize(
    ("kind", "target", "authorization", "bodies"),
    [
        (
            "plivo",
            "/v1/Account/my-auth_id/Message/SM0123/conversion/",
            "Basic " + b64encode(b"my-auth_id:secret-auth_token").decode(),
            [
                {"status": "CONVERTED", "timestamp": "2027-01-15T07:59:59Z"},
                {"status": "NOT_CONVERTED", "timestamp": "2027-01-15T07:59:59Z"},
            ],
        ),
        (
            "8x8",
            "/api/v1/subaccounts/my-subaccount/messages/SM0123/feedback",
            "Bearer secret-api_key",
            [
                {"outcome": "success", "timestamp": "2027-01-15T07:59:59Z"},
                {"outcome": "failure", "timestamp": "2027-01-15T07:59:59Z"},
            ],
        ),
    ],
    ids=["plivo", "8x8"],
)
def test_a_vendor_without_a_dialect_is_called_as_its_documentation_says(
    vendor: BadServer, kind: str, target: str, authorization: str, bodies: list[dict[str, str]]
) -> None:
    chosen = KINDS[kind]
    vendor_account = account(chosen)
    vendor_account.settings["endpoint"] = vendor.url
    calls = Calls(vendor_account, chosen, lambda: STAMP.now)
    answers = [
        (200, {}, DELIVERED.fate),
        (202, {"message": "taken"}, DELIVERED.fate),
        (400, {"error": "invalid", "code": 1200, "message": "invalid"}, Fate.REJECTED),
        (404, {"error": "not found", "code": 1404, "message": "not found"}, Fate.REJECTED),
        (401, {}, Fate.REFUSED),
        (403, {"error": "forbidden", "code": 1403}, Fate.REFUSED),
        (429, {}, Fate.BUSY),
        (503, {}, Fate.FAILED),
    ]
    for status, body, fate in answers:
        vendor.answer = saying(http(status, body))
        (outcome,) = calls.send([SEND])
        assert outcome.fate is fate, status
    made = [
        chosen.make(vendor_account, [send], STAMP)
        for send in (SEND, Send(2, "SM0123", "failed", SEND.at, SEND.until, 0))
    ]
    calls.close()
    assert [json.loads(call.body) for call in made] == bodies
    assert {(call.method, call.target) for call in made} == {("POST", target)}
    assert {call.headers["authorization"] for call in made} == {authorization}


def span(ms: int) -> str:
    minutes = ms // 60_000
    return f"{minutes // 1_440} days" if minutes >= 1_440 else f"{minutes} minutes"


def tables_of_the_page() -> list[dict[str, list[str]]]:
    """The cells of the tables of kinds, by the name of the kind."""
    page = (Path(__file__).resolve().parents[2] / "docs/how-to/relay.md").read_text()
    tables: list[dict[str, list[str]]] = []
    for line in page.splitlines():
        if line.startswith("| kind |"):
            tables.append({})
        elif line.startswith("| `"):
            name, *cells = line.strip("| ").split(" | ")
            tables[-1][name.strip("`")] = cells
    return tables


def test_the_page_has_the_policy_of_each_kind() -> None:
    expected = {}
    for name, kind in KINDS.items():
        failure = f"{span(kind.negative_after_ms)} after the request" if kind.negative_after_ms else "at once"
        expected[name] = [
            ", ".join(sorted(kind.feedbacks, reverse=True)),
            failure if "failed" in kind.feedbacks else "never",
            f"{span(kind.useful_ms)} after the request",
            f"{kind.per_second:,} calls/s" + (f", of {kind.batch} conversions" if kind.batch > 1 else ""),
            kind.proven_by,
        ]
    assert {name: cells[1:] for name, cells in tables_of_the_page()[0].items()} == expected


def test_the_page_says_what_each_wire_cannot_carry() -> None:
    units = {0: "no; it is when the call arrives", 1: "to 1 ms", 1_000: "to 1 s"}
    crashes = {
        "safe": "it is sent again",
        "harmful": "its outcome is unknown, and it is not sent again",
    }
    expected = {}
    for name, kind in KINDS.items():
        timed = kind.time_unit_ms and not kind.negative_after_ms
        failure = "yes" if timed else "yes, without its time"
        carried = failure if "failed" in kind.feedbacks else "no"
        expected[name] = [carried, units[kind.time_unit_ms], crashes[kind.repeat]]
    assert tables_of_the_page()[1] == expected


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(at=st.integers(STAMP.now - 10**9, STAMP.now), later=st.integers(0, 2_500))
@settings(max_examples=rounds(100))
def test_a_call_has_the_time_at_the_resolution_of_its_kind(kind: Kind, at: int, later: int) -> None:
    vendor_account = account(kind)
    for feedback in sorted(kind.feedbacks):
        sends = [Send(1, "SM0123", feedback, time, at + 10**9, 0) for time in (at, at + later)]
        first, second = (kind.make(vendor_account, [send], STAMP) for send in sends)
        unit = kind.time_unit_ms
        same = not unit or at // unit == (at + later) // unit
        assert ((first.target, first.body) == (second.target, second.body)) == same
