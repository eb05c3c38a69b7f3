"""Plivo's conversion feedback: `POST /v1/Account/AUTH_ID/Message/MESSAGE_UUID/conversion/`.

Source: the vendor's documentation alone; no SDK of the vendor has the call. The vendor takes a message for
NOT_CONVERTED by itself if nothing is reported. How errors look, and how the vendor takes a repeat, is not
documented.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.clock import iso_8601
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import Call, Kind, Probe, Setting, Stamp
from otpconv.relay.requests import UNPUBLISHED_PER_SECOND, basic, part
from otpconv.storage.relay.contract import Send


class _Error(Struct):
    error: str = ""


_decode = json.Decoder(_Error).decode


def _named(body: bytes) -> Named:
    text = _decode(body).error
    return Named("error" if text else "", text)


_ANSWERS: Final = Answers(named=_named)


def _account(vendor: VendorAccount) -> tuple[str, dict[str, str]]:
    """Return the path of the account, and the headers that prove who calls."""
    auth_id = vendor.settings["auth_id"]
    login = basic(auth_id, vendor.secrets["auth_token"])
    return f"/v1/Account/{part(auth_id)}/", {"authorization": login}


def _make(vendor: VendorAccount, sends: Sequence[Send], _: Stamp) -> Call:
    (send,) = sends
    path, headers = _account(vendor)
    headers["content-type"] = "application/json"
    status = "CONVERTED" if send.feedback == "received" else "NOT_CONVERTED"
    body = json.encode({"status": status, "timestamp": iso_8601(send.at)})
    return Call(f"{path}Message/{part(send.message_id)}/conversion/", headers, body)


def _probe(vendor: VendorAccount, _: Stamp) -> Call:
    path, headers = _account(vendor)
    return Call(path, headers, method="GET")


PLIVO: Final = Kind(
    name="plivo",
    title="Plivo",
    settings=(
        Setting("endpoint", "URL of the API", "https://api.plivo.com"),
        Setting("auth_id", "Auth ID of the account"),
        Setting("auth_token", "Auth Token of the account", secret=True),
    ),
    make=_make,
    read=_ANSWERS.read,
    probe=Probe(_probe, _ANSWERS.read_probe, "reads the account"),
    per_second=UNPUBLISHED_PER_SECOND,
    time_unit_ms=1_000,
    needs="Send messages with trackable=true.",
)
