"""How long a deletion waits for the ledger."""

from collections.abc import Iterator
from typing import cast

import pytest

from otpconv.errors import Unavailable
from otpconv.service import deleting
from otpconv.service.deleting import Recording
from otpconv.storage.engine import Engine
from otpconv.storage.erasure import Erasure


class Journal:
    """A journal whose next entry has the position 100."""

    def append(self, entries: object, recorded_at: int) -> int:  # noqa: ARG002
        return 100

    def close(self) -> None:
        pass


class Relay:
    """What the relay keeps: nothing."""

    def erase(self, messages: object) -> None:
        pass

    def close(self) -> None:
        pass


class OneJournal:
    def journal(self) -> Journal:
        return Journal()

    def relay(self) -> Relay:
        return Relay()


def record(positions: Iterator[int]) -> None:
    recording = Recording(cast("Engine", OneJournal()), lambda: next(positions))
    try:
        recording(Erasure(0, 0))
    finally:
        recording.close()


def test_a_deletion_waits_while_the_ledger_moves_and_gives_up_when_it_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deleting, "APPLIED_WITHIN_S", 0.0)
    record(iter(range(101)))
    with pytest.raises(Unavailable, match="does not apply the deletion"):
        record(iter([10, 20, 20]))
