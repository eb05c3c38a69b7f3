"""The types of `/v1/rates`: they are the answers, and are written into /openapi.json."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from otpconv.model import OTHER
from otpconv.storage.contract import MAX_COUNTED, MAX_SELF_REPORTED


class SelfReported(Struct):
    """A rate that the account reported of itself by ConversionData."""

    report_time: int
    rate: float


class CostOut(Struct):
    """What messages cost in one currency."""

    currency: Annotated[str, Meta(description="ISO 4217", examples=["EUR"])]
    cost: float
    cost_per_verified: float | None
    cost_listed: float
    messages: Annotated[int, Meta(description="Messages with a price in this currency")]


class RateOut(Struct):
    """One row of rates. It has the dimensions that were asked for; null means unknown.

    The compared values come with `compare`, and `other` comes with the row that sums the groups without one.
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
    receipted: Annotated[int, Meta(description="Messages with a receipt that says anything about delivery")]
    delivered: Annotated[int, Meta(description="Those of them that the vendor says were delivered")]
    delivered_share: Annotated[float | None, Meta(description="delivered / receipted")]
    rate_of_delivered: Annotated[float | None, Meta(description="Verified ones of the delivered / delivered")]
    cost: Annotated[
        float | None, Meta(description="Of the messages, in `currency`; null if there is none or several")
    ]
    currency: Annotated[
        str | None, Meta(description="ISO 4217; several are separated by blanks", examples=["EUR"])
    ]
    cost_per_verified: Annotated[
        float | None,
        Meta(description="cost / verified messages or sessions; null by first attempts"),
    ]
    cost_listed: Annotated[float | None, Meta(description="The part of cost that is from the price list")]
    unpriced: Annotated[int | None, Meta(description="Messages without a price, which no cost includes")]
    costs: Annotated[list[CostOut], Meta(description="The same for each currency")]
    start: int | UnsetType = UNSET
    country: str | UnsetType | None = UNSET
    carrier: str | UnsetType | None = UNSET
    provider: str | UnsetType | None = UNSET
    template: str | UnsetType | None = UNSET
    sender: str | UnsetType | None = UNSET
    channel: str | UnsetType | None = UNSET
    access_key: str | UnsetType | None = UNSET
    other: Annotated[int, Meta(description="How many groups this row sums")] | UnsetType = UNSET
    rate_without_flagged: (
        Annotated[float, Meta(description="The rate of all messages but flagged_requested; null if unknown")]
        | UnsetType
        | None
    ) = UNSET
    flagged_requested: (
        Annotated[int, Meta(description="Messages to number ranges that look like fraud; null if unknown")]
        | UnsetType
        | None
    ) = UNSET
    before_requested: int | UnsetType = UNSET
    before_verified: int | UnsetType = UNSET
    before_rate: float | UnsetType | None = UNSET
    change: Annotated[float, Meta(description="rate_expected less what it was before")] | UnsetType | None = (
        UNSET
    )
    change_low: float | UnsetType | None = UNSET
    change_high: float | UnsetType | None = UNSET
    change_same_mix: (
        Annotated[
            float,
            Meta(
                description="The change with the mix of countries, providers and carriers held constant; null"
                " with an interval, and where too few messages are comparable"
            ),
        ]
        | UnsetType
        | None
    ) = UNSET
    change_same_mix_low: float | UnsetType | None = UNSET
    change_same_mix_high: float | UnsetType | None = UNSET
    contradiction: (
        Annotated[str, Meta(description="In words: how change and change_same_mix contradict each other")]
        | UnsetType
    ) = UNSET


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


class WithoutRangesOut(Struct):
    """The number ranges that look like fraud, which `rate_without_flagged` leaves out."""

    flagged: Annotated[list[str], Meta(description="Their prefixes, if they had messages in the window")]
    reason: Annotated[str | None, Meta(description="Why rows have no rate without them; null if they have")]


class Rates(Struct, kw_only=True):
    """Rates of the window [start, end), widened to the grain of the rollups."""

    start: int
    end: int
    level: Annotated[str, Meta(description="The unit to count: message, first_attempt or session")]
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
    without_ranges: WithoutRangesOut | UnsetType = UNSET
    rows: list[RateOut]
