"""Reads from Redis Streams in a consumer group that all processes share; acknowledged entries are deleted.

All go by one consumer name: how long ago an entry was given out is known of each entry, whoever has it. So
nothing is left behind by processes that come and go.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import ResponseError

from otpconv.consume.source import FIRST_S, MOST, REST_S, Taken
from otpconv.delivery.brokers.address import Address
from otpconv.delivery.brokers.redis_streams import FIELD, client_of

_GROUP = _NAME = "otpconv"

_Entry = tuple[bytes, dict[bytes, bytes]]


class BrokerSource:
    """Reads entries from a stream."""

    def __init__(self, address: Address, redeliver_ms: int) -> None:
        """Prepare a consumer; `open` connects.

        Args:
            address: of the stream.
            redeliver_ms: after this time, an unacknowledged entry goes to another consumer, ms.
        """
        self._stream = address.stream
        self._redeliver_ms = redeliver_ms
        self._client = client_of(address)
        self._claim_at_s = 0.0

    async def open(self) -> None:
        """Connect, and make the stream and the group if they are not there."""
        with suppress(ResponseError):  # it is there
            await self._client.xgroup_create(self._stream, _GROUP, id="0", mkstream=True)

    async def take(self) -> list[Taken]:
        """Read entries that another consumer did not acknowledge in time, or else new ones."""
        entries = await self._claim() or await self._read(MOST, FIRST_S)
        if entries and len(entries) < MOST:
            entries += await self._read(MOST - len(entries), REST_S)
        return [Taken(fields.get(FIELD, b""), entry_id) for entry_id, fields in entries]

    async def _claim(self) -> list[_Entry]:
        if time.monotonic() < self._claim_at_s:
            return []
        _, entries, *_ = await self._client.xautoclaim(
            self._stream, _GROUP, _NAME, self._redeliver_ms, count=MOST
        )
        if not entries:
            self._claim_at_s = time.monotonic() + self._redeliver_ms / 1000
        return list(entries)

    async def _read(self, most: int, wait_s: float) -> list[_Entry]:
        answer: Any = await self._client.xreadgroup(
            _GROUP, _NAME, {self._stream: ">"}, count=most, block=round(1000 * wait_s)
        )
        return [entry for _, entries in answer or () for entry in entries]

    async def acknowledge(self, taken: Sequence[Taken]) -> None:
        """Acknowledge and delete all, together."""
        ids = [each.handle for each in taken]
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.xack(self._stream, _GROUP, *ids)
            pipeline.xdel(self._stream, *ids)
            await pipeline.execute()

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()
