"""The answers of the native API about reports and messages, and its errors."""

from typing import Annotated

from msgspec import Meta, Struct, field


class Rejected(Struct):
    """One item that was not recorded, by its place in the request, and why."""

    index: int
    code: str
    message: str


class Ignored(Struct):
    """One field of an item that was left out of its report, by the item's place in the request, and why."""

    index: int
    field: str
    code: str
    message: str


class Recorded(Struct):
    """The result of a batch: new reports, reports known before, and rejects. They add up to its length.

    `ignored` names the fields that reports were recorded without: a `to` that is not a phone number.
    """

    recorded: int
    unchanged: int
    rejected: list[Rejected]
    ignored: list[Ignored] = field(default_factory=list)


class ReceiptOut(Struct):
    """What the vendor said about delivery; a null means that it did not say so. Times are in ms, UTC."""

    status: Annotated[
        str,
        Meta(description="delivered, failed, rejected, expired, sent or accepted"),
    ]
    accepted_at: int | None
    sent_at: int | None
    expired_at: int | None
    rejected_at: int | None
    failed_at: int | None
    delivered_at: int | None
    error: Annotated[str | None, Meta(description="The vendor's code of the error")]


class MessageOut(Struct):
    """One message as it is known now; a null means unknown, or that it did not happen yet.

    A message may be verified without `verified_at`: the time of its conversion is unknown. If the time was
    left out more than 24 hours after the request, `verified_at` is when the report arrived.
    """

    message_id: str
    requested_at: int | None
    country: str | None
    carrier: str | None
    provider: str | None
    template: str | None
    sender: str | None
    channel: str | None
    access_key: str | None
    number_range: str | None
    session_id: str | None
    attempt: int | None
    verified: bool
    verified_at: int | None
    delivered_true_first: int | None
    delivered_true_last: int | None
    delivered_false_last: int | None
    delivered_without_time: Annotated[
        bool, Meta(description="Whether a conversion was reported whose time is unknown")
    ]

    vendor_message_id: Annotated[
        str | None, Meta(description="The vendor's id; null if it is message_id")
    ] = None
    receipt: ReceiptOut | None = None
    segments: Annotated[int | None, Meta(description="Into how many the message was split")] = None
    price: Annotated[str | None, Meta(description="Decimal text", examples=["0.0075"])] = None
    currency: Annotated[str | None, Meta(description="Of the price, ISO 4217")] = None
    price_listed: Annotated[
        bool, Meta(description="Whether the price is from the price list, since none was reported")
    ] = False
    status: Annotated[
        str,
        Meta(description="verified, waiting, overdue, unmatched, or invalid (not later than the request)"),
    ] = ""
    story: Annotated[list[str], Meta(description="What happened, in words and in order")] = field(
        default_factory=list
    )
    advice: Annotated[str, Meta(description="What to do")] = ""
    dashboard: Annotated[
        str | None,
        Meta(description="Path of the dashboard of the failure that the advice names; null if it names none"),
    ] = None


class FoundMessages(Struct):
    """The newest messages to a number, newest first."""

    messages: list[MessageOut]
    more: Annotated[bool, Meta(description="Whether there are older ones")]


class Problem(Struct):
    """An error, as RFC 9457 writes it."""

    type: str
    title: str
    status: int
    code: str
    detail: str


class ProblemSummary(Struct):
    """The part of a `Problem` that clients read. Each field is empty in the error of a proxy, for example."""

    code: str = ""
    detail: str = ""
