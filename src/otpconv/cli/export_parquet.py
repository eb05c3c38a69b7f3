"""Messages as a Parquet file for analysis: one row for each message."""

from collections.abc import Mapping
from typing import Any, BinaryIO

import msgspec

from otpconv.access.number_seal import is_sealed_number
from otpconv.model import Requested
from otpconv.money import MICROS
from otpconv.parquet import FLAG, TEXT, TIME, WHOLE, Kind, ParquetWriter, decimal
from otpconv.receipts import ReceiptStatus
from otpconv.storage.contract import DIMENSIONS, Message

#: Rows of a row group: so many are in memory at once.
GROUP_ROWS = 20_000

COLUMNS: dict[str, Kind] = {
    "message_id": TEXT,
    "requested_at": TIME,
    **dict.fromkeys(DIMENSIONS, TEXT),
    "session_id": TEXT,
    "attempt": WHOLE,
    "vendor_message_id": TEXT,
    "receipt": TEXT,
    "receipt_error": TEXT,
    "price": decimal(6),
    "currency": TEXT,
    "reported": FLAG,
    "verified": FLAG,
    "verified_at": TIME,
    "seconds_to_verify": decimal(3),
}


class ParquetMessages:
    """Writes messages to a Parquet file."""

    def __init__(self, stream: BinaryIO, more: Mapping[str, Kind] | None = None) -> None:
        """Begin a file on a stream, which stays open.

        Args:
            stream: where to write.
            more: further columns, which come first.
        """
        self._writer = ParquetWriter(stream, {**(more or {}), **COLUMNS})
        self._waiting: list[dict[str, Any]] = []

    def write(self, message: Message, **more: object) -> int:
        """Write a message with values of further columns, and return how many rows it has."""
        self._waiting.append(row(message) | more)
        if len(self._waiting) == GROUP_ROWS:
            self._flush()
        return 1

    def close(self) -> None:
        """Complete the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write(self._waiting)
        self._waiting.clear()


def row(message: Message) -> dict[str, Any]:
    """Return a message by column; unknown values are None."""
    requested = message.state.requested
    known: dict[str, Any] = {}
    if requested is not None:
        known = msgspec.structs.asdict(requested.dimensions)
        known |= {"session_id": requested.session_id, "attempt": requested.attempt}
        known |= {"vendor_message_id": vendor_message_id(requested)}
        known = {name: value or None for name, value in known.items()}
        known["requested_at"] = requested.requested_at
        if message.verified_at is not None:
            known["seconds_to_verify"] = (message.verified_at - requested.requested_at) / 1000
    return (
        known
        | _receipt(message)
        | {
            "message_id": message.message_id,
            "reported": message.reported,
            "verified": message.verified,
            "verified_at": message.verified_at,
        }
    )


def vendor_message_id(requested: Requested) -> str:
    """Return the vendor's id of a message; empty if it is the message id, or a sealed number."""
    known = requested.vendor_message_id
    return "" if is_sealed_number(known) else known


def _receipt(message: Message) -> dict[str, Any]:
    """Return what the receipts of a message say, by column."""
    receipt = message.receipt
    if receipt is None:
        return {}
    said = receipt.status is not ReceiptStatus.NONE
    return {
        "receipt": receipt.status.name.lower() if said else None,
        "receipt_error": receipt.error or None,
        "price": None if receipt.price is None else receipt.price / MICROS,
        "currency": receipt.currency or None,
    }
