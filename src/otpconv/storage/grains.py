"""Which rollups a question reads: for every engine, the same spans of the same grains."""

from collections.abc import Callable

from otpconv.errors import AnswerTooLarge
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS, Window

#: A grain, and the start and end of a span of its rollups, ms.
GrainSpan = tuple[int, int, int]


def spans(window: Window, minutes_from: Callable[[], int]) -> list[GrainSpan]:
    """Return the spans of rollups that a window sums.

    Args:
        window: what to sum.
        minutes_from: returns the time (ms) from which rollups by minute are kept.
    """
    found = [(DAY_MS, *span) for span in window.days]
    found += [(HOUR_MS, *span) for span in window.hours]
    if window.quarters:
        edge = minutes_from()
        found += [(QUARTER_MS, start, min(end, edge)) for start, end in window.quarters if start < edge]
        found += [(MINUTE_MS, max(start, edge), end) for start, end in window.quarters if end > edge]
    return found + [(MINUTE_MS, *span) for span in window.minutes]


def require_room(counts: int, limit: int) -> None:
    """Refuse an answer with more than `limit` counts.

    Raises:
        AnswerTooLarge: there are more.
    """
    if counts > limit:
        raise AnswerTooLarge(
            f"The answer has more than {limit:,} rows. Ask about less time, a longer interval or fewer"
            " dimensions (by), or filter a dimension."
        )
