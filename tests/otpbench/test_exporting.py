"""What others get of a world."""

import json
from itertools import islice

from benchmarks.otpbench import exporting
from benchmarks.otpbench.scenes import play
from otpconv.dialects.native.reports import MessageIn
from otpconv.storage.contract import MINUTE_MS


def test_a_world_is_exported_as_messages_with_their_conversions_and_labels() -> None:
    played = play("dead operator", 5)
    rows = [json.loads(line) for line in islice(exporting.messages(played), 2_000)]
    assert {*rows[0]} <= {*MessageIn.__struct_fields__, "delivered", "conversion_time"}
    assert [row["requested_at"] for row in rows] == sorted(row["requested_at"] for row in rows)
    assert {row.get("delivered") for row in rows} == {True, False, None}
    assert all(row["conversion_time"] > row["requested_at"] for row in rows if "delivered" in row)
    (label,), (fault,) = map(json.loads, exporting.labels(played)), played.faults
    assert label["values"] == fault.values
    assert label["end"] - label["start"] == (fault.end - fault.start) * MINUTE_MS
