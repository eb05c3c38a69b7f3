"""Each kind against our own dialect of its vendor, on a real server: what it sends is taken and recorded."""

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from urllib.parse import unquote

import httpx
import pytest

from otpconv import errors
from otpconv.access.vendors import VendorAccount
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.delivery.connection import Response
from otpconv.delivery.transport import DELIVERED, Fate, Outcome
from otpconv.dialects.dialect import HttpRequest
from otpconv.dialects.routing import route
from otpconv.relay.calls import Calls
from otpconv.relay.kind import Kind, Stamp
from otpconv.storage.relay.contract import Feedback, Send
from relay.credentials import OURS as KINDS, values_of

#: Of all messages; only Prelude gets it.
NUMBER = "+4915112345678"
#: The webhook has no dialect: it calls the native API.
OURS = {name: kind for name, kind in KINDS.items() if name != "webhook"}
MANY = pytest.mark.parametrize("kind", OURS.values(), ids=OURS)


def vendor_of(kind: Kind, url: str, key: str, secret: str) -> VendorAccount:
    """A vendor account of a kind at a server of ours."""
    values = values_of(kind, url, key, secret)
    secret_names = {setting.name for setting in kind.settings if setting.secret}
    return VendorAccount(
        id=1,
        account=1,
        name="v",
        kind=kind.name,
        provider="p",
        settings={name: value for name, value in values.items() if name not in secret_names},
        secrets={name: value for name, value in values.items() if name in secret_names},
    )


def feedback(message_id: str, what: Feedback = "received", at: int = 0) -> Send:
    now = wall_clock()
    return Send(1, message_id, what, at or now - 5_000, now + 600_000, 0, message_id)


Sender = Callable[..., list[Outcome]]


@pytest.fixture(scope="module")
def send(server: LocalServer) -> Sender:
    """Sends feedbacks by the relay's own calls; without feedbacks, it makes the harmless call."""

    def sending(kind: Kind, sends: list[Send], *, secret: str = "") -> list[Outcome]:
        vendor = vendor_of(kind, server.url, server.access_key_id, secret or server.access_key_secret)
        calls = Calls(vendor, kind, wall_clock, lambda *_: NUMBER)
        try:
            return calls.send(sends) if sends else [calls.probe()]
        finally:
            calls.close()

    return sending


def known(native: httpx.Client, message_id: str) -> Feedback | None:
    """What the ledger has of a message."""
    found = native.get(f"/v1/messages/{message_id}").json()
    if found["verified"]:
        return "received"
    return "failed" if found["delivered_false_last"] or found["delivered_without_time"] else None


@MANY
def test_a_feedback_is_recorded_by_our_dialect(
    kind: Kind, send: Sender, native: httpx.Client, eventually: Callable[..., None]
) -> None:
    now = wall_clock()
    at = now - 7_123
    ids = {what: f"relay-{kind.name}-{what}-{now}" for what in kind.feedbacks}
    messages = [{"message_id": each, "requested_at": now - 60_000} for each in ids.values()]
    assert native.post("/v1/messages", json={"messages": messages}).json()["rejected"] == []
    for what, message_id in ids.items():
        assert send(kind, [feedback(message_id, what, at)]) == [DELIVERED]
        eventually(partial(known, native, message_id), None if what == "requested" else what)
    found = native.get(f"/v1/messages/{ids['received']}").json()
    if unit := kind.time_unit_ms:
        assert found["verified_at"] == at - at % unit
    else:
        assert found["verified_at"] >= now
    # Whatever the vendor answers to a repeat, it counts as sent.
    assert send(kind, [feedback(ids["received"], "received", at)]) == [DELIVERED]
    if "failed" in ids:
        # A code that is typed after all replaces the failure.
        assert send(kind, [feedback(ids["failed"], "received", at + 1_000)]) == [DELIVERED]
        eventually(partial(known, native, ids["failed"]), "received")


@pytest.mark.parametrize("kind", [kind for kind in OURS.values() if kind.batch > 1], ids=attrgetter("name"))
def test_a_full_batch_is_one_call(
    kind: Kind, send: Sender, native: httpx.Client, eventually: Callable[..., None]
) -> None:
    now = wall_clock()
    ids = [f"relay-{kind.name}-{now}-{number}" for number in range(kind.batch + 1)]
    messages = [{"message_id": each, "requested_at": now - 60_000} for each in ids]
    for start in range(0, len(messages), 100):
        native.post("/v1/messages", json={"messages": messages[start : start + 100]})
    assert send(kind, [feedback(each) for each in ids]) == [DELIVERED] * len(ids)
    eventually(lambda: [known(native, each) for each in (ids[0], ids[-2], ids[-1])], ["received"] * 3)


@pytest.mark.parametrize(
    "kind", [kind for kind in OURS.values() if kind.refused_whole], ids=attrgetter("name")
)
def test_only_the_wrong_one_of_a_batch_is_refused(
    kind: Kind, send: Sender, native: httpx.Client, eventually: Callable[..., None]
) -> None:
    now = wall_clock()
    ids = [f"relay-whole-{kind.name}-{now}-{number}" for number in range(9)]
    messages = [{"message_id": each, "requested_at": now - 60_000} for each in ids]
    native.post("/v1/messages", json={"messages": messages})
    outcomes = send(kind, [feedback(each) for each in [*ids[:5], "two words", *ids[5:]]])
    assert [outcome.fate is Fate.REJECTED for outcome in outcomes] == [number == 5 for number in range(10)]
    eventually(lambda: [known(native, each) for each in ids], ["received"] * len(ids))


@MANY
def test_a_wrong_key_refuses_the_caller(kind: Kind, send: Sender) -> None:
    (outcome,) = send(kind, [feedback("relay-1")], secret="wrong-secret-wrong-secret")  # noqa: S106
    assert outcome.fate is Fate.REFUSED
    assert outcome.code


@MANY
def test_a_refused_report_is_rejected(kind: Kind, send: Sender) -> None:
    (outcome,) = send(kind, [feedback("two words")])
    if kind.name == "twilio-verify":
        assert outcome is DELIVERED  # the 404 of a verification that is approved or over
    else:
        assert outcome.fate is Fate.REJECTED
        assert outcome.code


@pytest.mark.parametrize(
    "kind",
    [kind for kind in OURS.values() if kind.probe and not kind.name.startswith("twilio")],
    ids=attrgetter("name"),
)
def test_the_harmless_call_proves_the_key(kind: Kind, send: Sender) -> None:
    assert send(kind, []) == [DELIVERED]
    (outcome,) = send(kind, [], secret="wrong-secret-wrong-secret")  # noqa: S106
    assert outcome.fate is Fate.REFUSED


@MANY
@pytest.mark.parametrize(
    ("error", "fate", "wait_ms"),
    [
        (errors.Throttled("Slow down.", wait_ms=3_000), Fate.BUSY, 3_000),
        (errors.Unavailable("The storage fails."), Fate.FAILED, 0),
        (errors.UnknownAccessKey("There is no such key."), Fate.REFUSED, 0),
        (errors.UnknownMessage("There is no such message."), Fate.REJECTED, 0),
    ],
    ids=["throttled", "unavailable", "unknown key", "unknown message"],
)
def test_an_error_of_our_dialect_has_its_fate(
    kind: Kind, error: errors.OtpconvError, fate: Fate, wait_ms: int
) -> None:
    now = wall_clock()
    made = kind.make(
        vendor_of(kind, "http://127.0.0.1:1", "id", "secret"), [feedback("m1")], Stamp(now, "0" * 32)
    )
    path, _, query = made.target.partition("?")
    fields = {name.encode(): value.encode() for name, value in made.headers.items()}
    request = HttpRequest(made.method, unquote(path), query.encode(), fields, made.body)
    dialect = route(request)
    assert dialect is not None
    answer = dialect.failure(error, "r1", request=request, call=dialect.read(request), public_url="")
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    (outcome,) = kind.read(Response(answer.status, headers, answer.body), [feedback("m1")], now)
    if kind.name == "twilio-verify" and fate is Fate.REJECTED:
        assert outcome.fate in {Fate.REJECTED, Fate.DELIVERED}
        return
    assert outcome.fate is fate
    if wait_ms and "retry-after" in headers:
        assert outcome.wait_ms == wait_ms
