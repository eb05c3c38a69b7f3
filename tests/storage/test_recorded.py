"""The messages of a window, the last recorded first, in parts."""

import pytest

from otpconv.model import Conversion, Requested
from otpconv.storage import recorded
from storage.engines import NOW, Storage


@pytest.mark.parametrize("looked_at", [1, 3, 20_000])
@pytest.mark.parametrize("most", [1, 2, 50])
def test_each_message_of_a_window_comes_once_and_the_last_recorded_first(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, looked_at: int, most: int
) -> None:
    monkeypatch.setattr(recorded, "_LOOKED_AT", looked_at)
    for number in range(12):
        # In no order of time, of two accounts, and some without a request.
        storage.record(Requested(1 + number % 2, f"m{number}", NOW + (number * 5) % 12))
    storage.record(Conversion(1, True, NOW, "unmatched"), Requested(1, "late", NOW + 100))
    found: list[str] = []
    before: int | None = 0
    while before is not None:
        part = storage.ledger.recorded(1, (NOW + 1, NOW + 12), before, most)
        assert len(part.messages) <= most
        found += [message.message_id for _, message in part.messages]
        before = part.before
    assert found == [f"m{number}" for number in range(10, 0, -2)]


def test_an_empty_ledger_has_no_messages(storage: Storage) -> None:
    assert storage.ledger.recorded(1, (0, NOW), 0, 10).before is None
