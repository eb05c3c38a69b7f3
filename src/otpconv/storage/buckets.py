"""Buckets: the units by which a distributed database can divide the messages."""

from collections.abc import Iterable
from typing import Any
from zlib import crc32

from otpconv.model import Conversion, Requested
from otpconv.receipts import Receipt
from otpconv.storage.erasure import Erasure

#: How many buckets there are. It never changes, since stored rows have their bucket.
BUCKETS = 64


def bucket_of(account: int, message_id: str) -> int:
    """Return the bucket that has everything about a message."""
    return crc32(f"{account}{message_id}".encode()) % BUCKETS


def buckets_of(reports: Iterable[Any]) -> list[int]:
    """Return one bucket for each report of a journal row: that of its message, or 0 if it names none.

    That of a receipt is the bucket of the message whose own id it names. Of an erasure there is one for each
    of its messages, then one for each detached message.
    """
    buckets: list[int] = []
    for report in reports:
        if isinstance(report, Requested | Conversion):
            buckets.append(bucket_of(report.account, report.message_id) if report.message_id else 0)
        elif isinstance(report, Receipt):
            buckets.append(bucket_of(report.account, report.vendor_message_id))
        elif isinstance(report, Erasure):
            buckets += [bucket_of(*name) for name in (*report.messages, *report.detached)]
        else:
            buckets.append(0)
    return buckets
