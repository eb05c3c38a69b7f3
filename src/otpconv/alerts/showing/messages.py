"""Messages of an alert that were not verified, as examples for the vendor; and where they went."""

from collections import Counter
from typing import Final

from msgspec import Struct

from otpconv.access.number_seal import is_sealed_number
from otpconv.alerts.showing.series import filters_of
from otpconv.model import Requested
from otpconv.storage.alerts.contract import Alert
from otpconv.storage.contract import HOUR_MS, MINUTE_MS, LedgerReader, Message

#: Messages that are named, and number ranges and carriers.
MAX_EXAMPLES: Final = 3
MAX_RANGES, MAX_CARRIERS = 8, 5
#: Only the newest messages of an alert are looked at: those of so long (ms), so many, in so many parts.
_NEWEST_MS = 6 * HOUR_MS
MAX_LOOKED_AT: Final = 500
_PARTS = 10
#: Younger messages may still be verified, ms.
_YOUNG_MS = 10 * MINUTE_MS


class Examples(Struct, frozen=True):
    """Some of the newest messages of an alert.

    Attributes:
        looked_at: how many messages of the slice were looked at.
        ids: the vendor's ids of a few, or our own where the vendor's are unknown.
        ranges: their number ranges, without the last four digits, and how many messages each has.
        carriers: likewise the carriers.
    """

    looked_at: int
    ids: list[str]
    ranges: list[tuple[str, int]]
    carriers: list[tuple[str, int]]


def fetch_examples(ledger: LedgerReader, alert: Alert, now: int) -> Examples:
    """Return some of the newest messages that the alert is about.

    Of `codes_entered` these are verified messages, of the other kinds those that were not verified.

    Args:
        ledger: where to look.
        alert: the alert.
        now: the time now, ms.

    Raises:
        Unavailable: the storage failed.
    """
    end = min(now - _YOUNG_MS, alert.resolved_at or now)
    start = max(alert.found.since, end - _NEWEST_MS)
    wanted = {name: values[0] for name, values in filters_of(alert).items()}
    found: list[Requested] = []
    before: int | None = 0
    for _ in range(_PARTS):
        if before is None or len(found) >= MAX_LOOKED_AT or start >= end:
            break
        part = ledger.recorded(alert.account, (start, end), before, MAX_LOOKED_AT)
        before = part.before
        found += [of for _, message in part.messages if (of := _fitting(message, alert, wanted)) is not None]
    found = found[:MAX_LOOKED_AT]
    ranges = Counter(of.number_range for of in found if of.number_range)
    carriers = Counter(of.dimensions.carrier for of in found if of.dimensions.carrier)
    return Examples(
        len(found),
        [_id_of(of) for of in found[:MAX_EXAMPLES]],
        ranges.most_common(MAX_RANGES),
        carriers.most_common(MAX_CARRIERS),
    )


def _fitting(message: Message, alert: Alert, wanted: dict[str, str]) -> Requested | None:
    """Return the request of a message that the alert is about; None for any other message."""
    of = message.state.requested
    if of is None or message.verified != (alert.found.kind == "codes_entered"):
        return None
    return of if all(getattr(of.dimensions, name) == value for name, value in wanted.items()) else None


def _id_of(of: Requested) -> str:
    vendor_id = of.vendor_message_id
    return vendor_id if vendor_id and not is_sealed_number(vendor_id) else of.message_id
