"""The messages of a number: newest first, of one account, no more than asked for."""

from otpconv.model import Requested
from otpconv.storage.contract import DAY_MS
from storage.engines import NOW, Storage


def test_the_newest_messages_of_a_number_come_first_over_all_days(storage: Storage) -> None:
    number, other = "0a" * 16, "0b" * 16
    times = [NOW, NOW - 5, NOW - 3 * DAY_MS, NOW - 400 * DAY_MS]
    storage.record(
        *[Requested(1, f"m{place}", time, number=number) for place, time in enumerate(times)],
        Requested(1, "another", NOW - 1, number=other),
        Requested(1, "none", NOW - 2),
    )

    def found(account: int, of: str, limit: int) -> list[str]:
        return [each.message_id for each in storage.ledger.messages_of_number(account, of, limit)]

    assert found(1, number, 10) == ["m0", "m1", "m2", "m3"]
    assert found(1, number, 3) == ["m0", "m1", "m2"]
    assert found(1, other, 10) == ["another"]
    assert found(2, number, 10) == []
    assert found(1, "0c" * 16, 10) == []
