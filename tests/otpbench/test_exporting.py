"""What others get of a world."""

import json
from itertools import islice

from benchmarks.otpbench import exporting
from otpconv.dialects.native.reports import MessageIn
from otpconv.storage.contract import MINUTE_MS
from tests.otpbench.worlds import played


def test_a_world_is_exported_as_messages_with_their_conversions_and_labels() -> None:
    world = played("dead operator")
    rows = [json.loads(line) for line in islice(exporting.messages(world), 2_000)]
    assert {*rows[0]} <= {*MessageIn.__struct_fields__, "delivered", "conversion_time"}
    assert [row["requested_at"] for row in rows] == sorted(row["requested_at"] for row in rows)
    assert {row.get("delivered") for row in rows} == {True, False, None}
    assert all(row["conversion_time"] > row["requested_at"] for row in rows if "delivered" in row)
    (label,), (fault,) = map(json.loads, exporting.labels(world)), world.faults
    assert label["values"] == fault.values
    assert label["end"] - label["start"] == (fault.end - fault.start) * MINUTE_MS
