"""Twilio Verify with codes of your own: `POST /v2/Services/{VA}/Verifications/{VE}`, `Status=approved`.

Source: the vendor's API documentation; the official SDK calls our dialect of it. A verification can be
approved for 10 minutes. Afterwards, and once it was approved, the answer is 404. So the relay takes 404 for a
verification that was approved before. A failure is not reported: to cancel a verification would refuse a code
that is typed later.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.transport import Fate
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import Call, Kind, Probe, Setting, Stamp
from otpconv.relay.requests import FORM, UNPUBLISHED_PER_SECOND, basic, part
from otpconv.storage.relay.contract import Send

#: The vendor's.
_USEFUL_MS: Final = 10 * 60_000


class _Error(Struct):
    code: int = 0
    message: str = ""


_decode = json.Decoder(_Error).decode


def _named(body: bytes) -> Named:
    error = _decode(body)
    return Named(str(error.code or ""), error.message)


_ANSWERS: Final = Answers(named=_named, fates={"20404": Fate.DELIVERED})
_PROBE: Final = Answers(named=_named)


def _service(vendor: VendorAccount) -> tuple[str, dict[str, str]]:
    """Return the path of the service, and the headers that prove who calls."""
    user = vendor.settings.get("api_key_sid") or vendor.settings["account_sid"]
    login = basic(user, vendor.secrets["auth_token"])
    return f"/v2/Services/{part(vendor.settings['service_sid'])}", {"authorization": login}


def _make(vendor: VendorAccount, sends: Sequence[Send], _: Stamp) -> Call:
    (send,) = sends
    path, headers = _service(vendor)
    headers["content-type"] = FORM
    return Call(f"{path}/Verifications/{part(send.message_id)}", headers, b"Status=approved")


def _probe(vendor: VendorAccount, _: Stamp) -> Call:
    path, headers = _service(vendor)
    return Call(path, headers, method="GET")


TWILIO_VERIFY: Final = Kind(
    name="twilio-verify",
    title="Twilio Verify",
    settings=(
        Setting("endpoint", "URL of the API", "https://verify.twilio.com"),
        Setting("account_sid", "the account's SID (AC…)"),
        Setting("service_sid", "the Verify service's SID (VA…)"),
        Setting("api_key_sid", "SID of an API key (SK…); without it, auth_token is the account's", ""),
        Setting("auth_token", "auth token of the account, or secret of the API key", secret=True),
    ),
    make=_make,
    read=_ANSWERS.read,
    probe=Probe(_probe, _PROBE.read_probe, "reads the service"),
    feedbacks=frozenset({"received"}),
    useful_ms=_USEFUL_MS,
    per_second=UNPUBLISHED_PER_SECOND,
    needs="Send verifications with CustomCode, and report them by their SID (VE…).",
    proven_by="the official SDK",
)
