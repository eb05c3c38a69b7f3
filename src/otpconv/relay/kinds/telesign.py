"""Telesign's Verify API: `PUT /v1/verify/completion/REFERENCE_ID`, signed by HMAC-SHA256.

Source: "Report completion" and "All status and error codes", Telesign documentation; the official SDK calls
our dialect of it. A completion says only that the code was typed back, and has no time. The numbers in the
body tell what happened. How the vendor takes a repeat is not documented.
"""

import base64
import binascii
from collections.abc import Sequence
from email.utils import format_datetime
from typing import Final

from msgspec import Struct, json

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.transport import Fate
from otpconv.dialects.telesign.signature import sign
from otpconv.relay.answers import Answers, Named
from otpconv.relay.kind import Call, Kind, Setting, Stamp
from otpconv.relay.requests import UNPUBLISHED_PER_SECOND, moment, part
from otpconv.storage.relay.contract import Send


class _Said(Struct, frozen=True):
    code: int = 0
    description: str = ""


class _Answer(Struct):
    status: _Said = _Said()
    errors: list[_Said] = []


_decode = json.Decoder(_Answer).decode


def _named(body: bytes) -> Named:
    answer = _decode(body)
    said = answer.errors[0] if answer.errors else answer.status
    return Named(str(said.code or ""), said.description)


_ANSWERS: Final = Answers(
    named=_named,
    in_body=True,
    fates={
        "1900": Fate.DELIVERED,  # "Verify completion successfully recorded"
        "-10": Fate.REJECTED,  # a parameter
        "-20": Fate.REFUSED,  # the product is not enabled
        "-30": Fate.REFUSED,  # the customer id, the signature, a header of it
        "-40007": Fate.BUSY,  # "Rate limit exceeded"
        "-40": Fate.REFUSED,  # the path or the method
        "-90": Fate.FAILED,  # "System Unavailable"
    },
)


def _key(api_key: str) -> bytes:
    """Return what an API key encodes; the key itself, which the vendor refuses, if it is not base64."""
    try:
        return base64.b64decode(api_key, validate=True)
    except binascii.Error:
        return api_key.encode()


def _make(vendor: VendorAccount, sends: Sequence[Send], stamp: Stamp) -> Call:
    (send,) = sends
    path = "/v1/verify/completion/"
    headers = sign(
        "PUT",
        path + send.message_id,
        customer=vendor.settings["customer_id"],
        secret=_key(vendor.secrets["api_key"]),
        date=format_datetime(moment(stamp.now), usegmt=True),
        nonce=stamp.nonce,
    )
    return Call(path + part(send.message_id), headers, method="PUT")


TELESIGN: Final = Kind(
    name="telesign",
    title="Telesign Verify",
    settings=(
        Setting("endpoint", "URL of the API", "https://rest-ww.telesign.com"),
        Setting("customer_id", "the customer id"),
        Setting("api_key", "the API key, as the vendor shows it (base64)", secret=True),
    ),
    make=_make,
    read=_ANSWERS.read,
    feedbacks=frozenset({"received"}),
    per_second=UNPUBLISHED_PER_SECOND,
    remedies={"-10001": "Report messages with the reference_id that Telesign returned for them."},
    proven_by="the official SDK",
)
