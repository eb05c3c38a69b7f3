"""The native API's values: they validate requests, are the answers, and are written into /openapi.json."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from otpconv.dialects.native.fields import Attempt, Channel, Country, MessageId, Number, Text, Time, Value
from otpconv.model import OTHER
from otpconv.storage.contract import MAX_COUNTED, MAX_SELF_REPORTED


class MessageIn(Struct, forbid_unknown_fields=True):
    """A message that was handed to a vendor."""

    message_id: MessageId
    requested_at: Time | None = None
    to: Number | None = None
    country: Country | None = None
    carrier: Value | None = None
    provider: Value = ""
    template: Value = ""
    sender: Value = ""
    channel: Channel = "sms"
    session_id: Text = ""
    attempt: Attempt | None = None


class ConversionIn(Struct, forbid_unknown_fields=True):
    """Whether the user typed the code of a message back; the message is known by its id, or by its number."""

    delivered: bool
    message_id: MessageId | None = None
    to: Number | None = None
    conversion_time: (
        Annotated[
            Time | None,
            Meta(
                extra_json_schema={
                    "description": "Milliseconds since 1970, UTC. Left out: now, or unknown if the message"
                    " was requested more than 24 hours ago. Null: unknown; not with `to` alone"
                }
            ),
        ]
        | UnsetType
    ) = UNSET


class Messages(Struct, forbid_unknown_fields=True):
    """1 to 10,000 messages."""

    messages: Annotated[list[MessageIn], Meta(min_length=1, max_length=10_000)]


class Conversions(Struct, forbid_unknown_fields=True):
    """1 to 10,000 conversions."""

    conversions: Annotated[list[ConversionIn], Meta(min_length=1, max_length=10_000)]


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
    """What became of a batch: new facts, facts known before, and rejects; the three add up to its length.

    `ignored` names the fields that reports were taken without: a `to` that is not a phone number.
    """

    recorded: int
    unchanged: int
    rejected: list[Rejected]
    ignored: list[Ignored]


class MessageOut(Struct):
    """One message as it is known now; a null means not told, or not so yet.

    A message may be verified without `verified_at`: the time of its conversion is unknown. Where the time was
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


class SelfReported(Struct):
    """A rate that the account reported of itself by ConversionData."""

    report_time: int
    rate: float


class RateOut(Struct):
    """One row of rates; of the dimensions, those that were asked for are present, null meaning not told.

    What is compared is present with `compare`; `other` with the row that sums the groups without one.
    """

    requested: Annotated[int, Meta(description="The denominator, at the level asked for")]
    verified: Annotated[int, Meta(description="Those of them that were verified, whenever that was")]
    rate: Annotated[float | None, Meta(description="verified / requested")]
    rate_low: Annotated[float | None, Meta(description="Wilson's 95 % interval of rate")]
    rate_high: float | None
    pending: Annotated[int, Meta(description="Younger than the maturity horizon, and not verified")]
    rate_expected: Annotated[
        float | None, Meta(description="The rate when all is mature; null where that would be a guess")
    ]
    rate_expected_low: float | None
    rate_expected_high: float | None
    reported_share: Annotated[
        float | None, Meta(description="Messages that any conversion was reported of / requested messages")
    ]
    p50_ms: Annotated[int | None, Meta(description="Half of the verified messages were within this, ms")]
    p90_ms: int | None
    p99_ms: int | None
    start: int | UnsetType = UNSET
    country: str | UnsetType | None = UNSET
    carrier: str | UnsetType | None = UNSET
    provider: str | UnsetType | None = UNSET
    template: str | UnsetType | None = UNSET
    sender: str | UnsetType | None = UNSET
    channel: str | UnsetType | None = UNSET
    access_key: str | UnsetType | None = UNSET
    other: Annotated[int, Meta(description="How many groups this row sums")] | UnsetType = UNSET
    before_requested: int | UnsetType = UNSET
    before_verified: int | UnsetType = UNSET
    before_rate: float | UnsetType | None = UNSET
    change: Annotated[float, Meta(description="rate_expected less what it was before")] | UnsetType | None = (
        UNSET
    )
    change_low: float | UnsetType | None = UNSET
    change_high: float | UnsetType | None = UNSET


class MaturityOut(Struct):
    """From where on a message that is not verified is no longer pending, and what that was learned from."""

    horizon_ms: int
    learned_from: Annotated[int, Meta(description="Verified messages")]
    scope: Annotated[
        str | None, Meta(description="filters, account, or null: too few to learn from", examples=["account"])
    ]


class Compared(Struct):
    """The window that rates are compared with, widened to the grain of the rollups."""

    start: int
    end: int


class Rates(Struct, kw_only=True):
    """Rates of the window [start, end), widened to the grain of the rollups."""

    start: int
    end: int
    level: Annotated[str, Meta(description="What is counted: message, first_attempt or session")]
    denominator: Annotated[str, Meta(description="What `requested` counts, in words")]
    maturity: Annotated[MaturityOut | None, Meta(description="Null when all of the window is old enough")]
    unmatched: Annotated[
        int, Meta(description="Messages and numbers with conversions that no known message explains")
    ]
    folded: Annotated[
        int,
        Meta(
            description=f"Messages of the window's days (UTC) that are counted as {OTHER} in a dimension,"
            " which had too many values that day"
        ),
    ]
    lag: Annotated[
        int, Meta(description="Reports acknowledged before the question that this answer lacks; 0 normally")
    ]
    self_reported: Annotated[
        list[SelfReported], Meta(description=f"At most {MAX_SELF_REPORTED}, the newest of the window")
    ]
    self_reported_left_out: Annotated[
        int,
        Meta(description=f"How many older ones the window has; {MAX_COUNTED:,} of all are counted at most"),
    ]
    compared: Compared | UnsetType = UNSET
    rows: list[RateOut]


class Problem(Struct):
    """An error, as RFC 9457 writes it."""

    type: str
    title: str
    status: int
    code: str
    detail: str
