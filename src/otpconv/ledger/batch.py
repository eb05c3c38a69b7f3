"""A batch: the reports of one commit, and those who wait for it."""

import logging
from collections.abc import Callable
from typing import Any

from otpconv.ledger.judge import Judgement
from otpconv.model import Conversion, Report
from otpconv.storage.contract import Entry
from otpconv.storage.erasure import Deletion

#: A conversion by number alone counts as this many reports, because it needs several lookups.
BY_NUMBER_COST = 10

_log = logging.getLogger(__name__)

#: Takes what became of an entry, or why it failed.
Done = Callable[[Judgement | Exception], None]
#: The same for several entries.
DoneAll = Callable[[list[Judgement] | Exception], None]


class Batch:
    """What the next commit is to have, and who waits for which part of it.

    Attributes:
        entries: all of it.
        cost: how many reports it counts as.
        waiters: whom to call, and with which part of the judgements: that at an index, or those of a slice.
    """

    __slots__ = ("cost", "entries", "waiters")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.cost = 0
        self.waiters: list[tuple[Callable[[Any], None], int | slice]] = []

    def answer(self, judgements: list[Judgement]) -> None:
        """Give all who wait what became of their reports."""
        for done, part in self.waiters:
            try:
                done(judgements[part])
            except Exception:  # noqa: BLE001 - it must not cost those behind it their answers
                _log.exception("an answer could not be handed over")

    def fail(self, error: Exception) -> None:
        """Tell all who wait why nothing was recorded."""
        for done, _ in self.waiters:
            try:
                done(error)
            except Exception:  # noqa: BLE001 - as above
                _log.exception("an answer could not be handed over")


def cost_of(report: Report | Deletion) -> int:
    """Return as how many reports it counts."""
    return BY_NUMBER_COST if type(report) is Conversion and not report.message_id else 1
