"""Our own signed JSON, for everybody else: an endpoint of yours, or the native API of another otpconv.

The body is that of `POST /v1/conversions`. The signature is that of Standard Webhooks
(standardwebhooks.com), so its libraries verify it: base64 of HMAC-SHA256 over `id.timestamp.body`.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.connection import Response
from otpconv.delivery.transport import DELIVERED, Fate, Outcome
from otpconv.delivery.verdicts import of_status, wait_ms
from otpconv.dialects.native.answers import ProblemSummary, Recorded
from otpconv.dialects.native.timed import TimedConversion
from otpconv.dialects.webhook.signature import sign
from otpconv.relay.kind import Call, Kind, Setting, Stamp
from otpconv.storage.relay.contract import Send

_recorded = msgspec.json.Decoder(Recorded).decode
_problem = msgspec.json.Decoder(ProblemSummary).decode


def _make(vendor: VendorAccount, sends: Sequence[Send], stamp: Stamp) -> Call:
    conversions = [
        TimedConversion(
            message_id=send.message_id, delivered=send.feedback == "received", conversion_time=send.at
        )
        for send in sends
    ]
    body = msgspec.json.encode({"conversions": conversions})
    url = urlsplit(vendor.settings["endpoint"])
    message_id, timestamp = f"msg_{stamp.nonce}", stamp.now // 1000
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(vendor.secrets["signing_secret"], message_id, timestamp, body),
    }
    if authorization := vendor.secrets.get("authorization"):
        headers["authorization"] = authorization
    return Call(f"{url.path or '/'}{'?' * bool(url.query)}{url.query}", headers, body)


def _read(answer: Response, sends: Sequence[Send], now: int) -> list[Outcome]:
    """Any 2xx takes all; the answer of `POST /v1/conversions` may reject some, by their place."""
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - any 2xx
        try:
            problem = _problem(answer.body)
        except msgspec.MsgspecError:
            problem = ProblemSummary()
        reason = problem.detail or f"HTTP {answer.status}"
        return [of_status(answer.status, problem.code, reason, wait_ms(answer.headers, now))] * len(sends)
    outcomes = [DELIVERED] * len(sends)
    try:
        rejected = _recorded(answer.body).rejected
    except msgspec.MsgspecError:
        return outcomes
    for each in rejected:
        if 0 <= each.index < len(outcomes):
            outcomes[each.index] = Outcome(Fate.REJECTED, each.code, each.message)
    return outcomes


WEBHOOK: Final = Kind(
    name="webhook",
    title="the webhook",
    settings=(
        Setting("endpoint", "URL that takes the conversions, with its path"),
        Setting("signing_secret", "the key of the signature", secret=True),
        Setting("authorization", "value of the header Authorization", "", secret=True),
    ),
    make=_make,
    read=_read,
    batch=100,
    per_second=1_000,
    concurrency=4,
    time_unit_ms=1,
    needs="The endpoint answers 2xx once it has stored the conversions; it may get one twice.",
    proven_by="the library of Standard Webhooks",
)
