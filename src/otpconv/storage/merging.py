"""The steps by which a ledger takes in a batch: the same in every engine, which has its own statements."""

from collections.abc import Mapping
from typing import Protocol

from otpconv.storage.bounds import Bounds
from otpconv.storage.statements import SqlValue

#: More combinations than there can be.
_ANY = 1 << 40
#: What a batch does where there is any conversion known by number alone, once its messages are merged.
BY_NUMBER = (
    "merge_number_conversions",
    "touch_places",
    "touch_messages",
    "limit_messages",
    "resolve_numbers",
    "touch_hours",
    "find_unexplained",
    "note_matched",
    "note_unmatched",
    "forget_hours",
)
#: What a batch does where there is any receipt, once its messages are merged.
_RECEIPTS = ("merge_vendor_ids", "merge_receipts", "touch_receipts")
#: How receipts come to their messages.
_RESOLVING = ("find_receipts", "resolve_receipts", "note_known")
#: How unmatched conversions, and receipts of unknown messages, are forgotten.
FORGETTING = (
    "drop_unmatched",
    "drop_receipts",
    "touch_old_hours",
    "find_unexplained",
    "drop_unmatched_numbers",
    "note_matched",
    "forget_hours",
)
#: What an erasure does: it finds the messages and all they touch, deletes them, and computes the rest again.
_ERASURE = (
    "empty_batch",
    "forget_touched",
    "forget_receipts",
    "find_erased",
    "touch_erased_receipts",
    "erase_receipts",
    "find_erased_conversions",
    "touch_erased",
    "touch_messages",
    "erase_conversions",
    "erase_messages",
    "touch_messages",
    "limit_messages",
    "resolve_numbers",
    "touch_hours",
    "touch_left_hours",
    "find_unexplained",
    "note_matched",
    "note_unmatched",
    "forget_hours",
)
#: How an erasure ends: with what stays of the messages.
_KEEPING = (
    "detach",
    "find_kept",
    "note_kept",
    "change_by_kept",
    "keep_costs",
    "shorten_ranges",
    "keep_ranges",
    "note_messages_from",
)
#: What brings the sums of the noted changes into the rollups, the last step of all.
_SETTLING = (
    "sum_quarters",
    "sum_hours",
    "sum_days",
    "settle_routes",
    "settle",
    "drop_empty",
    "settle_ranges",
    "forget_changes",
)
#: The same for costs.
_COSTS = ("sum_costs", "settle_costs")


class Statements(Protocol):
    """The named statements of an engine's writer, on its connection, in its transaction."""

    def run(self, name: str, values: Mapping[str, SqlValue]) -> None:
        """Run a statement; it may have several parts."""

    def number(self, name: str, values: Mapping[str, SqlValue]) -> int:
        """Return the number that a statement gives."""


class Merging:
    """Takes batches, expiries and erasures into a ledger.

    An engine may do the steps of a batch, or those that bring its changes into the rollups, in one call. They
    are the same steps, in the same order.

    Args:
        statements: those of the engine.
        bounds: how many dimensions are counted separately.
    """

    def __init__(self, statements: Statements, bounds: Bounds) -> None:
        self._statements = statements
        self._bounds = bounds

    def merge(self, after: int, upto: int) -> None:
        """Merge the reports at the positions from after `after` to `upto`."""
        self.run("empty_batch")
        self._statements.run("unpack", {"after": after, "upto": upto})
        by_number = self._statements.number("any_number_conversion", {})
        receipts = self._statements.number("any_receipt", {})
        self._find_dimensions()
        if by_number:
            self.run("forget_touched", "touch_places")
        if receipts:
            self.run("forget_receipts", "touch_receipts")
        self.run("merge_requested", "merge_conversions", "order_messages", after=after)
        self.run("merge_self_reported")
        if receipts:
            self.run(*_RECEIPTS)
            self.resolve_receipts()
        if by_number:
            self.run(*BY_NUMBER)
        self.settle(costs=bool(receipts))

    def expire(self, unmatched_before: int, minutes_from: int) -> None:
        """Forget unmatched conversions and rollups by minute before two times, ms, and old ranges."""
        horizon = {"unmatched_before": unmatched_before, "minutes_from": minutes_from}
        self.run(*FORGETTING, "fold_minutes", **horizon)
        self.run("settle", "forget_changes")
        self.run("fold_cost_minutes", "settle_costs", **horizon)
        self.run("drop_minutes", "drop_cost_minutes", "keep_minutes_from", "drop_ranges", **horizon)

    def erase(self, seq: int) -> None:
        """Apply the erasure at a position."""
        self.run(*_ERASURE, seq=seq)
        self.resolve_receipts()
        self.run(*_KEEPING, seq=seq)
        before = self._statements.number("before", {"seq": seq})
        self.run(*FORGETTING, unmatched_before=before)
        self.settle("sum_erased")

    def _find_dimensions(self) -> None:
        """Decide by which dimensions the messages of the batch are counted."""
        self.run("forget_combinations", "gather_combinations", "find_combinations")
        if not self._statements.number("any_new_combination", {}):
            return
        self.run("admit_values", most=self._bounds.values)
        self.run("fold_values")
        self._admit(self._bounds.combinations)
        self.run("keep_routes")
        self._admit(self._bounds.combinations + self._bounds.routes)
        self.run("keep_nothing")
        self._admit(_ANY)
        self.run("keep_reported_values")

    def _admit(self, most: int) -> None:
        """Make undecided values dimensions of their own, up to so many of an account and day."""
        self.run("admit_combinations", most=most)
        self.run("find_folded")

    def resolve_receipts(self) -> None:
        """Give the messages the receipts that were touched, or take them away."""
        self.run(*_RESOLVING)

    def settle(self, summing: str = "sum_minutes", *, costs: bool = True) -> None:
        """Bring the noted changes of messages into the rollups, and into those of costs."""
        if self._statements.number("any_touched_session", {}):
            self.run("find_sessions", "resolve_sessions", "forget_sessions")
        self.run(summing, *_SETTLING)
        if costs:
            self.run(*_COSTS)

    def run(self, *names: str, **values: SqlValue) -> None:
        """Run steps one after another, each with the same values."""
        for name in names:
            self._statements.run(name, values)
