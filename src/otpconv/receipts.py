"""Receipts, a vendor's statements of what happened to a message, and the law by which they combine.

The state of the receipts about one message is a join of them: commutative, associative, idempotent. See
`model.py`, which has the other reports.
"""

from collections.abc import Iterable
from enum import IntEnum

from msgspec import Struct

from otpconv import money

#: If more messages than this name one id of a vendor, those requested first have its receipts. It bounds the
#: work of a receipt: an id that many messages share identifies none of them.
MAX_SHARED = 10
#: The largest price of a message in millionths of its currency. Sums of 900 million of them fit.
MAX_PRICE = money.MAX_PRICE * money.MICROS


class ReceiptStatus(IntEnum):
    """What a receipt says, by rank: of two receipts about one message, the higher one is its status."""

    #: Nothing about delivery, e.g. only the price.
    NONE = 0
    ACCEPTED = 1
    SENT = 2
    EXPIRED = 3
    REJECTED = 4
    FAILED = 5
    DELIVERED = 6


#: The status of a message that did not arrive.
FAILURES = (ReceiptStatus.EXPIRED, ReceiptStatus.REJECTED, ReceiptStatus.FAILED)


class Receipt(Struct, frozen=True, array_like=True, tag=6, gc=False):
    """The report of a vendor about a message.

    Attributes:
        account: whose message it is.
        vendor_message_id: the vendor's id of the message.
        status: what it says about delivery.
        time: when that was, ms; when the receipt arrived if the vendor does not say.
        error: the vendor's error code, only with one of `FAILURES`.
        price: of the message, in millionths of the currency; None if unknown.
        currency: ISO 4217, upper case; given if and only if the price is.
        segments: into how many the message was split; 0 if unknown.
    """

    account: int
    vendor_message_id: str
    status: ReceiptStatus
    time: int
    error: str = ""
    price: int | None = None
    currency: str = ""
    segments: int = 0


class ReceiptState(Struct, frozen=True, array_like=True, gc=False):
    """What the receipts about one message come to.

    Attributes:
        times: by rank of the status, the time of the earliest receipt with it, ms; None if there is none.
        error: that of the earliest receipt with one of `FAILURES`; of two at the same time, the smaller text.
        price, currency: the largest price, of two equal ones that with the larger currency.
        segments: the largest number.
    """

    times: tuple[int | None, ...] = (None,) * len(ReceiptStatus)
    error: str = ""
    price: int | None = None
    currency: str = ""
    segments: int = 0

    @property
    def status(self) -> ReceiptStatus:
        """The status of the message: the highest of all receipts."""
        known = (status for status in ReceiptStatus if self.times[status] is not None)
        return max(known, default=ReceiptStatus.NONE)

    @property
    def failed_at(self) -> int | None:
        """The time of the earliest receipt with one of `FAILURES`, ms."""
        return _earliest(self.times[status] for status in FAILURES)

    def join(self, other: "ReceiptState") -> "ReceiptState":
        """Combine the states of two sets of receipts about the same message."""
        states = (self, other)
        priced = [(state.price, state.currency) for state in states if state.price is not None]
        failed = [(time, state.error) for state in states if (time := state.failed_at) is not None]
        price, currency = max(priced, default=(None, ""))
        return ReceiptState(
            tuple(map(_earliest, zip(self.times, other.times, strict=True))),
            min(failed)[1] if failed else "",
            price,
            currency,
            max(self.segments, other.segments),
        )


def receipt_state_of(receipt: Receipt) -> ReceiptState:
    """Return the state that a single receipt gives."""
    times = tuple(receipt.time if status is receipt.status else None for status in ReceiptStatus)
    return ReceiptState(times, receipt.error, receipt.price, receipt.currency, receipt.segments)


def _earliest(times: Iterable[int | None]) -> int | None:
    return min((time for time in times if time is not None), default=None)
