"""What the rollups by number range say about a window; the same for every engine."""

from collections.abc import Collection

import msgspec

from otpconv.storage.contract import Span
from otpconv.storage.erasable import Run
from otpconv.storage.erasure import RangeLength
from otpconv.storage.range_counts import SHORTEST_RANGE, RangeCount


def of_window(
    run: Run, account: int, window: Span, countries: Collection[str] | None, limit: int
) -> list[RangeCount]:
    """Return the ranges that had messages in a window; see `LedgerReader.ranges`."""
    accepted = None if countries is None else msgspec.json.encode(list(countries)).decode()
    start, end = window
    values = {"account": account, "start": start, "end": end, "limit": limit, "countries": accepted}
    return [RangeCount(*row) for row in run("ranges", values)]


def lengths(run: Run, most: int) -> tuple[RangeLength, ...]:
    """Return by how much to shorten the ranges of crowded days; see `LedgerReader.range_lengths`."""
    bounds = {"most": most, "shortest": SHORTEST_RANGE}
    return tuple(RangeLength(*row) for row in run("range_lengths", bounds))
