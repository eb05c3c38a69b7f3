"""Values of the statements of a ledger's reader, and what their rows mean."""

from collections.abc import Sequence
from typing import Any

from otpconv.model import Dimensions, MessageState, Requested
from otpconv.receipts import ReceiptState
from otpconv.storage.buckets import bucket_of
from otpconv.storage.erasable import Run


def outline(requested_at: int | None, number: str | None, *conversions: int | None) -> MessageState:
    """Return the outline of a message from its columns; see `Lookup`."""
    requested = None if requested_at is None else Requested(0, "", requested_at, number=number or "")
    return MessageState(requested, *conversions)


def state(account: int, message_id: str, columns: Sequence[Any]) -> MessageState:
    """Return the state of a message from its columns: those of its request, then those of its conversions."""
    requested_at, values, number, number_range, session_id, attempt, vendor_message_id, *conversions = columns
    if requested_at is None:
        return MessageState(None, *conversions)
    of_number, named = (number or "", number_range), (session_id, attempt, vendor_message_id or "")
    requested = Requested(account, message_id, requested_at, Dimensions(*values), *of_number, *named)
    return MessageState(requested, *conversions)


def receipts(run: Run, account: int, ids: list[str]) -> dict[str, ReceiptState]:
    """Return the receipts under some ids of a vendor."""
    values: dict[str, Any] = {"account": account, "ids": ids}
    rows = run("receipts", values)
    return {vendor_id: ReceiptState(tuple(times), *others) for vendor_id, times, *others in rows}


def places(account: int, ids: list[str]) -> dict[str, Any]:
    """Return the values by which statements find messages."""
    return {"account": account, "buckets": [bucket_of(account, each) for each in ids], "message_ids": ids}
