"""Where receipts belong, and how they are counted."""

import re

import pytest
from msgspec.structs import replace

from otpconv.access.vendors import VendorAccount
from otpconv.service import receipts
from otpconv.service.receipts import ReceiptCounts
from otpconv.service.vendor_values import new_url_secret

VENDOR = VendorAccount("v", "webhook", "p", {}, {}, id=1, account=1)


def test_a_secret_is_long_and_fits_into_a_url() -> None:
    secrets = {new_url_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in secrets)


def test_the_counts_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "MAX_COUNTED", 3)
    counts = ReceiptCounts()
    for number in range(5):
        counts.count(replace(VENDOR, name=f"v{number}"), "recorded", 2)
    counts.count(replace(VENDOR, account=2), "forged")
    (metric,) = counts.metrics(1).collect()
    assert {(sample.labels["vendor"], sample.value) for sample in metric.samples} == {("v3", 2), ("v4", 2)}
    (metric,) = counts.metrics(2).collect()
    assert [sample.labels for sample in metric.samples] == [{"vendor": "v", "result": "forged"}]
