"""What vendors push about messages: a `ReceiptWire` reads, verifies and answers the pushes of one vendor.

It is pure: it gets the parts of an HTTP request and returns values and bytes. The endpoint (`web/hooks/`)
does everything else. Each vendor's wire is in `dialects/VENDOR/receipts.py`, and belongs to a kind of vendor
account.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from otpconv.dialects import bodies
from otpconv.dialects.dialect import Fields, HttpResponse, Outcome
from otpconv.errors import InvalidRequest, OtpconvError, Refused
from otpconv.model import MESSAGE_ID_RULE, is_message_id
from otpconv.money import MAX_PRICE, MICROS
from otpconv.receipts import FAILURES, ReceiptStatus

#: Bytes of a push at most: `MAX_ITEMS` receipts with some 260 bytes each.
MAX_PUSH_BYTES: Final = 128 * 1024
#: Items of one push at most.
MAX_ITEMS: Final = 500
#: Characters of a vendor's error code that are kept.
MAX_ERROR_CHARS: Final = 64
#: The most segments of a message that are believed.
MAX_SEGMENTS: Final = 1_000

#: Fewer than a decimal can have without being rounded.
_MAX_NUMBER_CHARS: Final = 24
_CURRENCY_CHARS: Final = 3
_T = TypeVar("_T")

_is_local_time = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}").fullmatch

#: The zone in which Chinese vendors write times.
CHINA: Final = timezone(timedelta(hours=8))

#: What states of SMPP say about a message that failed: vendors pass them on as error codes.
SMPP_FAILURES: Final = {
    "EXPIRED": ReceiptStatus.EXPIRED,
    "REJECTD": ReceiptStatus.REJECTED,
}


class Push(Struct, frozen=True):
    """A request that claims to come from a vendor.

    Attributes:
        method: the HTTP method, upper case.
        url: the URL that the vendor called, with its query.
        query: as it came, without the `?`.
        fields: the headers by name.
        body: the whole body.
        now: when it arrived, ms.
    """

    method: str
    url: str
    query: bytes
    fields: Fields
    body: bytes
    now: int


class Delivery(Struct, frozen=True, kw_only=True):
    """What a push says about one message.

    Attributes:
        vendor_message_id: the vendor's id of the message.
        status: what happened to it.
        time: when, ms; None if the vendor does not say it.
        error: the vendor's error code.
        price: millionths of the currency; None if the push has no price.
        currency: ISO 4217.
        segments: 0 if unknown.
        sent_at: when the message was handed to the vendor or the carrier, ms; None if unknown.
        to: the recipient's number as the vendor writes it; empty if unknown.
        region: the country whose national numbers `to` may have; empty for none.
        country: ISO 3166 alpha-2; empty if the vendor does not say it.
        carrier: the mobile network; empty likewise.
        channel: `sms`, `whatsapp`, …
    """

    vendor_message_id: str
    status: ReceiptStatus
    time: int | None = None
    error: str = ""
    price: int | None = None
    currency: str = ""
    segments: int = 0
    sent_at: int | None = None
    to: str = ""
    region: str = ""
    country: str = ""
    carrier: str = ""
    channel: str = "sms"


class Sealed(Struct, frozen=True):
    """A text that the vendor has signed by a key whose certificate it publishes.

    Attributes:
        text: the signed bytes.
        signature: the RSA signature (PKCS #1 v1.5).
        digest: the hash of the signature, `sha1` or `sha256`.
        certificate_url: where the certificate is; a host of the vendor's, which `sealed` has checked.
    """

    text: bytes
    signature: bytes
    digest: str
    certificate_url: str


class Pushed(Struct, frozen=True):
    """The contents of a push.

    Attributes:
        items: what it says about messages; a malformed item is its refusal.
        confirm_url: what to call so that the vendor begins to push; empty if there is nothing to confirm. A
            host of the vendor's.
    """

    items: Sequence[Delivery | Refused]
    confirm_url: str = ""


#: The settings and secrets of a vendor account.
Values = Mapping[str, str]


class ReceiptWire(Struct, frozen=True):
    """How one vendor pushes receipts.

    Attributes:
        verify: checks the vendor's signature with the values of the vendor account, or raises
            `SignatureMismatch`. It does nothing if the account has no key: then the secret in the URL is the
            proof.
        read: reads a verified push; raises `InvalidRequest`.
        success: the answer to a push that was recorded, given what became of each item, in order.
        failure: the answer to a push that was refused or failed.
        setup: what to set at the vendor, for people.
        proven_by: where our knowledge of the wire is from.
        key: what the secret `receipts_key` is; empty if the vendor does not sign with a shared key.
        names_items: whether `success` says which items were refused. Otherwise a push whose items are all
            malformed is refused as a whole.
        methods: the HTTP methods that the vendor uses.
        sealed: returns the text that is signed with a certificate; None if the vendor does not use one.
    """

    verify: Callable[[Push, Values], None]
    read: Callable[[Push], Pushed]
    success: Callable[[Sequence[Outcome]], HttpResponse]
    failure: Callable[[OtpconvError], HttpResponse]
    setup: str
    proven_by: str
    key: str = ""
    names_items: bool = False
    methods: tuple[str, ...] = ("POST",)
    sealed: Callable[[Push], Sealed] | None = None


def unverified(_: Push, __: Values) -> None:
    """Verify nothing: the vendor does not sign, and the secret in the URL is the proof."""


def each(items: Sequence[object], read: Callable[[object], Delivery]) -> list[Delivery | Refused]:
    """Return what `read` makes of each item, or why it is malformed.

    Raises:
        InvalidRequest: there are more than `MAX_ITEMS`.
    """
    if len(items) > MAX_ITEMS:
        raise InvalidRequest(f"The push has {len(items):,} receipts. Push at most {MAX_ITEMS} at once.")
    found: list[Delivery | Refused] = []
    for item in items:
        try:
            found.append(read(item))
        except Refused as error:
            found.append(error)
    return found


def from_json(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    """Return the value of a JSON body of a push.

    Raises:
        InvalidRequest: the body is not JSON, or has another type.
        BodyTooLarge: it has more than `MAX_PUSH_BYTES`.
    """
    return bodies.from_json(decoder, body, MAX_PUSH_BYTES)


def message_id(text: str) -> str:
    """Return the vendor's id of a message.

    Raises:
        InvalidRequest: it is not a message id.
    """
    if not is_message_id(text):
        raise InvalidRequest(f"The receipt has no valid message id. A message id is {MESSAGE_ID_RULE}.")
    return text


def status_of(table: Mapping[str, ReceiptStatus], text: str) -> ReceiptStatus:
    """Return the status that a vendor's word stands for.

    Raises:
        InvalidRequest: the word is unknown.
    """
    if text not in table:
        raise InvalidRequest(f"Unknown status {text[:40]!r}. Known: {', '.join(table)}.")
    return table[text]


def error_of(status: ReceiptStatus, code: str) -> str:
    """Return the error code of a receipt; empty unless the status is a failure."""
    if status not in FAILURES:
        return ""
    return "".join(filter(str.isprintable, code))[:MAX_ERROR_CHARS]


def price_of(amount: str | Decimal | None, currency: str) -> tuple[int | None, str]:
    """Return a price in millionths with its currency, from decimal text; (None, "") without an amount.

    Vendors write what they charge as a negative number, so the sign is dropped. Parts of a millionth
    are rounded to the nearest, half to even.

    Raises:
        InvalidRequest: the amount is not a decimal number, is too high, or has no currency.
    """
    if amount is None or amount == "":
        return None, ""
    currency = currency.upper()
    if len(currency) != _CURRENCY_CHARS or not (currency.isascii() and currency.isalpha()):
        raise InvalidRequest(f"Invalid currency {currency[:10]!r}. Send three letters of ISO 4217, e.g. USD.")
    text = str(amount)
    try:
        number = abs(Decimal(text)) if len(text) <= _MAX_NUMBER_CHARS else Decimal("NaN")
    except ArithmeticError:
        number = Decimal("NaN")
    if not number.is_finite() or number > MAX_PRICE:
        raise InvalidRequest(f"Invalid price {text[:40]!r}. Send decimal text of at most 10000, e.g. 0.0075.")
    return int((number * MICROS).to_integral_value(ROUND_HALF_EVEN)), currency


def segments_of(value: str | int | None) -> int:
    """Return a number of segments; 0 if it is missing or makes no sense."""
    text = str(value)
    known = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_SEGMENTS))
    return int(text) if known and int(text) <= MAX_SEGMENTS else 0


def local_time(text: str, zone: timezone = UTC) -> int | None:
    """Return a time like `2017-01-01 00:00:00` in a zone, ms; None if the text is empty.

    Raises:
        InvalidRequest: the text is not such a time.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text if _is_local_time(text) else "")
    except ValueError:
        raise InvalidRequest(f"Invalid time {text[:40]!r}. Send it like 2017-01-01 00:00:00.") from None
    return int(moment.replace(tzinfo=zone).timestamp()) * 1000
