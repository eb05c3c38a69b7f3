"""Sinch's SMS API: `POST /xms/v1/PLAN/batches/BATCH_ID/delivery_feedback`, with the token of the plan.

Source: "Send delivery feedback for a message" and "HTTP status codes", Sinch documentation; the official SDK
calls our dialect of it. A feedback says only that a message was received, and has no time. Its empty list of
recipients stands for the whole batch, so a batch must have one recipient. How the vendor takes a repeat is
not documented.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.transport import Fate
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import Call, Kind, Setting, Stamp
from otpconv.relay.requests import UNPUBLISHED_PER_SECOND, part
from otpconv.storage.relay.contract import Send


class _Error(Struct):
    code: str = ""
    text: str = ""


_decode = json.Decoder(_Error).decode


def _named(body: bytes) -> Named:
    error = _decode(body)
    return Named(error.code, error.text)


_ANSWERS: Final = Answers(named=_named, fates={"unknown_batch": Fate.REJECTED})


def _make(vendor: VendorAccount, sends: Sequence[Send], _: Stamp) -> Call:
    (send,) = sends
    headers = {
        "authorization": f"Bearer {vendor.secrets['api_token']}",
        "content-type": "application/json",
    }
    target = f"/xms/v1/{part(vendor.settings['plan'])}/batches/{part(send.message_id)}/delivery_feedback"
    return Call(target, headers, b'{"recipients":[]}')


SINCH: Final = Kind(
    name="sinch",
    title="Sinch SMS",
    settings=(
        Setting(
            "endpoint",
            "URL of the API in your region, e.g. https://eu.sms.api.sinch.com",
            "https://us.sms.api.sinch.com",
        ),
        Setting("plan", "the service plan id"),
        Setting("api_token", "API token of the service plan", secret=True),
    ),
    make=_make,
    read=_ANSWERS.read,
    feedbacks=frozenset({"received"}),
    per_second=UNPUBLISHED_PER_SECOND,
    remedies={"unknown_batch": "Report messages with the batch id that Sinch returned for them."},
    needs="Send each code as a batch of its own, with feedback_enabled=true.",
    proven_by="the official SDK",
)
