"""The values of otpconv, and the law by which reports about one message combine.

The state of a message is a join of the reports about it: commutative, associative, idempotent. So duplicates,
retries, reordering and conversions that come before their message all give the same numbers. The storage
engines do the same in SQL, in bulk; the tests compare them with this module.

All times are integers in milliseconds since the Unix epoch, UTC. Values are encoded as JSON lists of their
fields, reports with their kind as the first element, both in the journal and in the results of the engines.
"""

import re
from collections.abc import Callable, Iterable
from enum import IntEnum
from math import log2

from msgspec import Struct
from msgspec.structs import replace

from otpconv.receipts import Receipt

#: The rule for message ids, for texts like `A message id is …`. Ids have no meaning to otpconv.
MESSAGE_ID_RULE = "1 to 255 printable ASCII characters without spaces"
#: The same rule as a regular expression for the whole text.
MESSAGE_ID_PATTERN = "[!-~]{1,255}"
#: Matches a text that is a message id.
is_message_id = re.compile(MESSAGE_ID_PATTERN).fullmatch

#: A conversion by number alone belongs to a message requested at most this long before it (24 hours).
BY_NUMBER_WINDOW_MS = 24 * 60 * 60 * 1000

#: A conversion without a time counts as made on arrival, if it arrives at most this long after its message
#: was requested (24 hours). Later ones are backfilled: their time is unknown.
ARRIVAL_WINDOW_MS = 24 * 60 * 60 * 1000

#: How far a reported time may be ahead of the server's clock, ms.
CLOCK_SKEW_MS = 60_000

#: Delays from request to verification are counted in this many bins; see `delay_bin`.
DELAY_BINS = 35


#: The name of all values of a dimension that are not counted separately; callers can't report it.
OTHER = "(other)"


class Dimensions(Struct, frozen=True, order=True, array_like=True, gc=False):
    """The dimensions by which rates can be split. An empty string means unknown.

    Attributes:
        country: ISO 3166 alpha-2, upper case.
        carrier: the mobile network of the number.
        provider: the vendor the message was handed to.
        template: the message template.
        sender: the sender ID the recipient sees.
        channel: `sms`, `voice`, `whatsapp`, …
        access_key: the access key that reported the message as requested; set by the server, never by the
            caller. It is last because older journal entries have only the six values before it.
    """

    country: str = ""
    carrier: str = ""
    provider: str = ""
    template: str = ""
    sender: str = ""
    channel: str = "sms"
    access_key: str = ""


class Requested(Struct, frozen=True, array_like=True, tag=1, gc=False):
    """The report that a message was handed to a vendor.

    Attributes:
        account: whose message it is.
        message_id: unique within the account.
        requested_at: when it was handed over, ms.
        dimensions: the values by which rates can be split.
        number: keyed hash of the recipient's number, hexadecimal; empty if unknown.
        number_range: the number without its last four digits; empty if unknown.
        session_id: the login attempt that the message belongs to; empty if unknown.
        attempt: 1 = first send, 2 = first resend, …; 0 if unknown.
        vendor_message_id: the vendor's id of the message; empty if it is `message_id`. It does not take part
            in `precedence`: of all reports about a message, the smallest id that any names is the message's.
            Older journal entries do not have it.
    """

    account: int
    message_id: str
    requested_at: int
    dimensions: Dimensions = Dimensions()
    number: str = ""
    number_range: str = ""
    session_id: str = ""
    attempt: int = 0
    vendor_message_id: str = ""

    def precedence(self) -> tuple[int, Dimensions, str, int, str]:
        """Return the sort key of the law: of two reports about one message, the smaller one wins."""
        return self.requested_at, self.dimensions, self.session_id, self.attempt, self.number


class Timing(IntEnum):
    """The meaning of the `conversion_time` of a conversion."""

    #: The time the caller gave.
    GIVEN = 0
    #: When the report arrived: the caller gave no time, which means now.
    ARRIVAL = 1
    #: When the report arrived; the caller said that the time of the conversion is unknown.
    UNKNOWN = 2


class Conversion(Struct, frozen=True, array_like=True, tag=2, gc=False):
    """The report whether the user typed the code back, about a message known by id or by number.

    Attributes:
        account: whose message it is.
        delivered: true when the user replied; the wire's word.
        conversion_time: when, ms; see `timing`.
        message_id: empty when the message is known by number alone.
        number: keyed hash of the recipient's number, hexadecimal; empty if unknown.
        timing: what `conversion_time` is; `GIVEN` for a message known by number alone, which is found by it.
            It is last because older journal entries do not have it.
    """

    account: int
    delivered: bool
    conversion_time: int
    message_id: str = ""
    number: str = ""
    timing: Timing = Timing.GIVEN


class SelfReportedRate(Struct, frozen=True, array_like=True, tag=3, gc=False):
    """The conversion rate, 0 to 1, that an account says it had at `report_time` (ms)."""

    account: int
    report_time: int
    rate: float


class Expiry(Struct, frozen=True, gc=False):
    """Housekeeping as a fact in the journal, so that a rebuild forgets at the same place.

    Attributes:
        unmatched_before: unmatched conversions older than this (ms) are dropped.
        minutes_from: rollups by minute are kept from here on (ms, a whole minute).
    """

    unmatched_before: int
    minutes_from: int


#: Any fact on its way in.
Report = Requested | Conversion | SelfReportedRate | Receipt


class MessageState(Struct, frozen=True, array_like=True, gc=False):
    """What the reports about one message come to.

    Attributes:
        requested: the winning report that it was requested, with the vendor's id that any of them names;
            None while it is unmatched.
        true_first: earliest given `conversion_time` among the reports with `delivered` true, ms.
        true_last: latest among the same, ms.
        false_last: latest `conversion_time`, given or not, among the reports with `delivered` false, ms.
        true_arrival: when the first report with `delivered` true and no time arrived, ms.
        true_unknown: when the first report with `delivered` true and an unknown time arrived, ms.
        false_unknown: likewise with `delivered` false.
    """

    requested: Requested | None = None
    true_first: int | None = None
    true_last: int | None = None
    false_last: int | None = None
    true_arrival: int | None = None
    true_unknown: int | None = None
    false_unknown: int | None = None

    @property
    def arrived_at(self) -> int | None:
        """The time of the first true conversion without a given time, ms; None if it is unknown."""
        arrival = self.true_arrival
        if self.requested is None or arrival is None:
            return arrival
        return arrival if 0 < arrival - self.requested.requested_at <= ARRIVAL_WINDOW_MS else None

    @property
    def verified_at(self) -> int | None:
        """The earliest valid time of a true conversion, ms; valid means later than `requested_at`.

        Of the given times only the first and the last are stored. Also None if only the time is unknown.
        """
        if self.requested is None:
            return None
        given = (self.true_first, self.true_last)
        valid = (time for time in given if time is not None and time > self.requested.requested_at)
        return _pick(min, next(valid, None), self.arrived_at)

    @property
    def verified(self) -> bool:
        """Whether there is a valid true conversion; one with an unknown time is valid."""
        if self.requested is None:
            return False
        return self.true_arrival is not None or self.true_unknown is not None or self.verified_at is not None

    @property
    def reported(self) -> bool:
        """Whether there is any conversion, true or false."""
        times = (self.true_first, self.true_arrival, self.false_last)
        return self.without_time or any(time is not None for time in times)

    @property
    def without_time(self) -> bool:
        """Whether there is a conversion with an unknown time."""
        unknown = self.true_unknown is not None or self.false_unknown is not None
        return unknown or (self.true_arrival is not None and self.arrived_at is None)

    def with_conversion(self, conversion: Conversion) -> "MessageState":
        """Return the join with the state of a conversion, without building that state first."""
        if conversion.timing is not Timing.GIVEN:
            return self.join(state_of(conversion))
        time = conversion.conversion_time
        if conversion.delivered:
            first = time if self.true_first is None or time < self.true_first else self.true_first
            last = time if self.true_last is None or time > self.true_last else self.true_last
            return replace(self, true_first=first, true_last=last)
        last = time if self.false_last is None or time > self.false_last else self.false_last
        return replace(self, false_last=last)

    def join(self, other: "MessageState") -> "MessageState":
        """Combine the states of two sets of reports about the same message."""
        return MessageState(
            _first_request(self.requested, other.requested),
            _pick(min, self.true_first, other.true_first),
            _pick(max, self.true_last, other.true_last),
            _pick(max, self.false_last, other.false_last),
            _pick(min, self.true_arrival, other.true_arrival),
            _pick(min, self.true_unknown, other.true_unknown),
            _pick(min, self.false_unknown, other.false_unknown),
        )


def state_of(report: Requested | Conversion) -> MessageState:
    """Return the state that a single report gives."""
    if isinstance(report, Requested):
        return MessageState(requested=report)
    time = report.conversion_time
    if report.timing is Timing.UNKNOWN:
        return MessageState(true_unknown=time) if report.delivered else MessageState(false_unknown=time)
    if not report.delivered:
        return MessageState(false_last=time)
    if report.timing is Timing.ARRIVAL:
        return MessageState(true_arrival=time)
    return MessageState(true_first=time, true_last=time)


def owner(messages: Iterable[Requested], conversion_time: int) -> Requested | None:
    """Return the message of one number that a conversion by number alone belongs to.

    This is the newest message requested at or before `conversion_time` (ms), at most 24 hours before; of two
    requested at the same time, the one with the larger id. None if there is no such message (yet).
    """
    earliest = conversion_time - BY_NUMBER_WINDOW_MS
    return max(
        (message for message in messages if earliest <= message.requested_at <= conversion_time),
        key=lambda message: (message.requested_at, message.message_id),
        default=None,
    )


def first_of(session: Iterable[Requested]) -> Requested | None:
    """Return the message with which a session counts: the earliest, of two the one with the smaller id."""
    return min(session, key=lambda message: (message.requested_at, message.message_id), default=None)


def delay_bin(delay_ms: int) -> int:
    """Return the bin that counts a message verified `delay_ms` (above 0) after it was requested.

    Bin 0 holds delays under a second, bin k those from 2^((k - 1) / 2) s to 2^(k / 2) s, and the last bin
    those from 26 hours on. Two bins per octave: a bin is half as wide as a log-normal delay usually spreads.
    """
    return max(0, min(DELAY_BINS - 1, int(1 + 2 * log2(delay_ms / 1000))))


def _first_request(a: Requested | None, b: Requested | None) -> Requested | None:
    """Return the request that wins, with the smallest id of the vendor that either names."""
    if a is None or b is None:
        return b if a is None else a
    first, other = (b, a) if b.precedence() < a.precedence() else (a, b)
    named, known = other.vendor_message_id, first.vendor_message_id
    return replace(first, vendor_message_id=named) if named and (not known or named < known) else first


def _pick(choose: Callable[[int, int], int], a: int | None, b: int | None) -> int | None:
    if a is None or b is None:
        return b if a is None else a
    return choose(a, b)
