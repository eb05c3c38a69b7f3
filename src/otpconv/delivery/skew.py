"""How far the other side's clock is from ours, learned from the Date of its answers."""

from contextlib import suppress
from email.utils import parsedate_to_datetime

from otpconv.delivery.reports import OWN_CLOCK, Report, fields_of, with_fields
from otpconv.dialects.native.timed import TimedConversion

#: Smaller differences are not corrected: `Date` has whole seconds, and every server allows 60 s ahead.
_TOLERATED_MS = 30_000
#: A clock further ahead than this, ms, is wrong: the end of the year 2199.
_LATEST_MS = 7_258_118_400_000


class Skew:
    """The difference of two clocks; a tolerable difference counts as none.

    Attributes:
        ms: to be added to our time to get the other side's, ms.
    """

    def __init__(self) -> None:
        self.ms = 0
        self._seen = ""

    def learn(self, date: str | None, now: int) -> bool:
        """Learn from the Date of an answer that came at `now` (ms). Return whether the skew changed much."""
        before = self.ms
        if date and date != self._seen:
            self._seen = date
            with suppress(ValueError, OverflowError):
                there = int(parsedate_to_datetime(date).timestamp()) * 1000
                if there < _LATEST_MS:
                    self.ms = there - now if abs(there - now) > _TOLERATED_MS else 0
        return self.differs(before)

    def differs(self, before: int) -> bool:
        """Return whether it is much different from what it was before."""
        return abs(self.ms - before) > _TOLERATED_MS

    def correct(self, report: Report) -> Report:
        """Return the report by the other side's clock; a time that the caller gave stays as it is."""
        if not self.ms or not report.flags & OWN_CLOCK:
            return report
        fields = fields_of(report)
        if isinstance(fields, TimedConversion):
            fields.conversion_time += self.ms
        else:
            fields.requested_at += self.ms
        return with_fields(report, fields)
