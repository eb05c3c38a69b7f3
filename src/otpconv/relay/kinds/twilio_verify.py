"""Twilio Verify with codes of your own: `POST /v2/Services/{VA}/Verifications/{VE}`, `Status=approved`.

Source: the vendor's API documentation; the official SDK calls our dialect of it. A verification can be
approved for 10 minutes. Afterwards, and once it was approved, the answer is 404. So the relay takes 404 for a
verification that was approved before. A failure is not reported: to cancel a verification would refuse a code
that is typed later.
"""

from collections.abc import Sequence
from typing import Final

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.transport import Fate
from otpconv.relay.answers import Answers
from otpconv.relay.kind import Call, Kind, Probe, Setting, Stamp
from otpconv.relay.kinds.twilio import ACCOUNT, named
from otpconv.relay.kinds.twilio_sending import account_of
from otpconv.relay.requests import FORM, UNPUBLISHED_PER_SECOND, part
from otpconv.storage.relay.contract import Send

#: The vendor's.
_USEFUL_MS: Final = 10 * 60_000

_ANSWERS: Final = Answers(named=named, fates={"20404": Fate.DELIVERED})
_PROBE: Final = Answers(named=named)


def _service(vendor: VendorAccount) -> str:
    return f"/v2/Services/{part(vendor.settings['service_sid'])}"


def _make(vendor: VendorAccount, sends: Sequence[Send], _: Stamp) -> Call:
    (send,) = sends
    target = f"{_service(vendor)}/Verifications/{part(send.message_id)}"
    return Call(target, account_of(vendor)[1] | {"content-type": FORM}, b"Status=approved")


def _probe(vendor: VendorAccount, _: Stamp) -> Call:
    return Call(_service(vendor), account_of(vendor)[1], method="GET")


TWILIO_VERIFY: Final = Kind(
    name="twilio-verify",
    title="Twilio Verify",
    settings=(
        Setting("endpoint", "URL of the API", "https://verify.twilio.com"),
        *ACCOUNT,
        Setting("service_sid", "the Verify service's SID (VA…)"),
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
