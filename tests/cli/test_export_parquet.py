"""Messages as Parquet: one row for each, in bounded memory."""

import io
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pyarrow import parquet

from otpconv.cli import export_parquet
from otpconv.cli.export_parquet import ParquetMessages
from otpconv.model import Dimensions, MessageState, Requested
from otpconv.storage.contract import Message

AT = 1_795_132_800_000


def messages(count: int) -> Iterator[Message]:
    for n in range(count):
        requested = Requested(
            1, f"m{n}", AT + n, Dimensions(country="DE", provider=f"p{n % 3}"), attempt=n % 2
        )
        yield Message(
            f"m{n}", MessageState(requested, true_first=AT + n + 2_500), AT + n + 2_500, reported=True
        )


def test_a_message_has_a_row_with_what_is_known() -> None:
    stream = io.BytesIO()
    writer = ParquetMessages(stream)
    writer.write(next(messages(1)))
    writer.write(Message("alone", MessageState(true_first=AT), None, reported=True))
    writer.close()
    one, alone = parquet.read_table(stream).to_pylist()
    assert {name: value for name, value in one.items() if value is not None} == {
        "message_id": "m0",
        "requested_at": datetime.fromtimestamp(AT / 1000, UTC),
        "country": "DE",
        "provider": "p0",
        "channel": one["channel"],
        "reported": True,
        "verified": True,
        "verified_at": datetime.fromtimestamp((AT + 2_500) / 1000, UTC),
        "seconds_to_verify": Decimal("2.500"),
    }
    assert {name for name, value in alone.items() if value is not None} == {
        "message_id",
        "reported",
        "verified",
    }


def test_an_export_keeps_one_row_group_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nowhere(io.BytesIO):
        def write(self, content: object, /) -> int:  # type: ignore[explicit-override]
            del content
            return 0

    monkeypatch.setattr(export_parquet, "GROUP_ROWS", 500)

    def peak(count: int) -> int:
        writer = ParquetMessages(Nowhere())
        tracemalloc.start()
        for message in messages(count):
            writer.write(message)
        writer.close()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(500)
    assert peak(20_000) < 2 * peak(1_000)
