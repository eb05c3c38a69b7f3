"""Prelude as a vendor: it knows messages by their numbers, which no file has in clear."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from cli.commands import otpconv
from otpconv.access.number_seal import NumberSeal
from otpconv.access.vendors import VendorAccount
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.model import Dimensions, MessageState, Requested, state_of
from otpconv.relay.kind import Stamp
from otpconv.relay.kinds import KINDS
from otpconv.relay.planner import Target, sends_of
from otpconv.service.opening import open_sealer
from otpconv.storage.relay.contract import Send
from relay.credentials import values_of
from relay.test_otpconv_to_otpconv import client, post
from relay.vendors import vendor

NUMBERS = {f"m{number}": f"+49151{number + 7_000_000:08}" for number in range(6)}
VERIFIED = {"m0", "m2", "m3"}


def files_with(folder: Path, text: str) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


def outcomes(server: LocalServer) -> dict[str, bool]:
    """Whether each message that a ledger knows as requested is verified."""
    with client(server) as opened:
        rows = {name: opened.get(f"/v1/messages/{name}").json() for name in NUMBERS}
    return {name: row["verified"] for name, row in rows.items() if row.get("requested_at")}


def totals(opened: httpx.Client) -> tuple[int, int]:
    (row,) = opened.get("/v1/rates").json()["rows"]
    return row["requested"], row["verified"]


@pytest.mark.long("it starts two servers and a relay, twice")
def test_a_second_otpconv_learns_of_every_message_by_its_number(
    make_server: Callable[..., LocalServer], eventually: Callable[..., None]
) -> None:
    source, prelude = make_server(), make_server()
    source.start()
    prelude.start()
    kind = KINDS["prelude"]
    values = values_of(kind, prelude.url, prelude.access_key_id, prelude.access_key_secret)
    body = {"name": "watch", "kind": "prelude", "provider": "acme", "settings": values}
    with client(source) as opened:
        assert opened.post("/v1/vendors", json=body).status_code == 201
    messages = [{"message_id": name, "to": to, "provider": "acme"} for name, to in NUMBERS.items()]
    post(source, "messages", [*messages, {"message_id": "no-number", "provider": "acme"}])
    post(source, "messages", messages)
    source.stop()
    source.start()
    post(source, "conversions", [{"message_id": name, "delivered": True} for name in VERIFIED])
    eventually(lambda: outcomes(prelude), {name: name in VERIFIED for name in NUMBERS})
    with client(prelude) as opened:
        assert totals(opened) == (len(NUMBERS), len(VERIFIED))
        (message,) = opened.post("/v1/messages/search", json={"to": NUMBERS["m1"]}).json()["messages"]
        assert message["message_id"] == "m1"
    seal = NumberSeal(open_sealer(load(data=source.data)))
    sealed = seal.seal(1, "m0", NUMBERS["m0"])
    assert "relay.sqlite" in {file.partition("-")[0] for file in files_with(source.data, sealed)}
    assert [files_with(source.data, number[1:]) for number in NUMBERS.values()] == [[]] * len(NUMBERS)
    exported = otpconv("export", "--data", source.data)
    assert exported.returncode == 0, exported.stderr
    assert "m0" in exported.stdout
    assert not any(number[1:] in exported.stdout for number in NUMBERS.values())
    assert otpconv("forget", "--number", NUMBERS["m0"], "--data", source.data).returncode == 0
    eventually(lambda: files_with(source.data, sealed), [])


def planned(kind: str, requested: Requested, state: MessageState) -> list[tuple[str, str]]:
    """The feedbacks about a message of the provider of a vendor account, and the names in them."""
    account: VendorAccount = vendor(1, kind, provider="acme")
    targets = {(1, "acme"): Target(account, KINDS[kind])}
    sends = sends_of(requested, state, None, 5, targets)
    return [(send.feedback, send.vendor_message_id) for send in sends]


@pytest.mark.parametrize(
    ("kind", "known_as", "expected"),
    [
        ("prelude", "number:sealed", [("requested", "number:sealed")]),
        ("prelude", "", []),
        ("prelude", "SM1", []),
        ("aws", "", [("failed", "")]),
        ("aws", "SM1", [("failed", "SM1")]),
        # The provider had a vendor account of Prelude before.
        ("aws", "number:sealed", [("failed", "")]),
        ("twilio", "SM1", []),
    ],
)
def test_a_vendor_gets_the_id_that_it_knows(
    kind: str, known_as: str, expected: list[tuple[str, str]]
) -> None:
    requested = Requested(1, "m1", 1_800_000_000_000, Dimensions(provider="acme"), vendor_message_id=known_as)
    assert planned(kind, requested, state_of(requested)) == expected


@pytest.mark.parametrize("chars", [64, 65])
def test_a_long_id_is_left_out(chars: int) -> None:
    send = Send(1, NUMBERS["m1"], "requested", 0, 0, 0, "m" * chars)
    made = KINDS["prelude"].make(vendor(1, "prelude", secrets={"api_token": "t"}), [send], Stamp(0, "0"))
    (feedback,) = json.loads(made.body)["feedbacks"]
    expected = {"correlation_id": "m" * chars} if chars == 64 else None
    assert (feedback["target"]["value"], feedback.get("metadata")) == (NUMBERS["m1"], expected)
