"""Writes a world as lines of JSON that `otpconv import` reads, and its labels, so that others can use it."""

import json
from collections.abc import Iterable, Iterator

from benchmarks.otpbench.rules import Alarm
from benchmarks.otpbench.scenes import Played
from benchmarks.otpbench.traffic import NEVER
from otpconv.storage.contract import MINUTE_MS


def messages(played: Played) -> Iterator[str]:
    """Yield a line for each message, in the order of their requests, with the conversion if one is reported.

    `template` has the application, since otpconv itself sets the access key of what it imports.
    """
    world = played.world
    columns = (getattr(world.messages, name) for name in ("requested", "leaf", "first", "verified", "unused"))
    for number, (at, leaf, first, verified, unused) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        country, carrier, provider, application = world.routes.leaves[leaf]
        row = {
            "message_id": str(1_008_030_300_000_000 + number),
            "requested_at": at,
            "country": country,
            "carrier": carrier,
            "provider": provider,
            "template": application,
            "attempt": 1 if first else 2,
        }
        reported = min(verified, unused)
        if reported != NEVER:
            row |= {"delivered": verified != NEVER, "conversion_time": reported}
        yield json.dumps(row)


def alarms(played: Played, raised: Iterable[Alarm]) -> Iterator[str]:
    """Yield a line for each alarm: its slice, and when it was raised, ms."""
    start = played.world.routes.start
    for alarm in raised:
        yield json.dumps(
            {"kind": alarm.kind, "values": dict(alarm.values), "at": start + alarm.minute * MINUTE_MS}
        )


def labels(played: Played) -> Iterator[str]:
    """Yield a line for each fault: its slice, and from when to when (half-open, ms) it lasts."""
    start = played.world.routes.start
    for fault in played.faults:
        times = {"start": start + fault.start * MINUTE_MS, "end": start + fault.end * MINUTE_MS}
        yield json.dumps({"scene": played.scene, "seed": played.seed, "values": dict(fault.values), **times})
