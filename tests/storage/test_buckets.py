"""Buckets: they never change, since stored rows have theirs."""

from collections import Counter

import pytest

from otpconv.storage.buckets import BUCKETS, bucket_of


@pytest.mark.parametrize(
    ("account", "message_id", "bucket"), [(1, "1008030300", 32), (2, "1008030300", 33), (1, "a", 3)]
)
def test_the_bucket_of_a_message_stays_the_same_for_ever(account: int, message_id: str, bucket: int) -> None:
    assert bucket_of(account, message_id) == bucket


def test_every_message_is_in_one_of_the_buckets_and_they_fill_evenly() -> None:
    found = Counter(bucket_of(1, f"{n}") for n in range(64_000))
    assert sorted(found) == list(range(BUCKETS))
    assert min(found.values()) > 800
    assert max(found.values()) < 1_200
