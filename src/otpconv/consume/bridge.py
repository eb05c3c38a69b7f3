"""From the broker to the server: a batch is recorded, its rejects set aside, and then it is acknowledged."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from msgspec import Struct

from otpconv.consume.source import ROOM, Source, Taken, source_of
from otpconv.delivery.brokers.address import Address
from otpconv.delivery.brokers.publisher import Publisher, publisher_of
from otpconv.delivery.transport import Fate
from otpconv.dialects.native.answers import Recorded
from otpconv.dialects.native.events import Malformed, native_of
from otpconv.dialects.native.reports import CONVERSIONS_PATH, MESSAGES_PATH
from otpconv.errors import Misconfigured, Refused, Throttled, Unavailable

#: Pauses between tries, s: the first, and the longest, also when the server asks for more.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
#: A broker that does not answer for this long, s, counts as gone.
_ANSWER_S = 15.0
_CLOSE_S = 2.0
_MAX_REASON = 500


class Counts(Struct):
    """What became of the messages that were taken and acknowledged.

    `ignored` counts the phone numbers that could not be read: their reports were recorded without them.
    """

    recorded: int = 0
    unchanged: int = 0
    rejected: int = 0
    ignored: int = 0


class Post(Protocol):
    """Sends objects of the native API, one a line, and blocks until the server has made them durable."""

    def __call__(self, path: str, items: list[bytes]) -> Recorded:
        """Return the server's answer.

        Raises:
            Unavailable: the server can't be reached, or is broken.
            Throttled: it asks to come again later.
            Refused: it refuses the call as a whole.
        """
        ...


class Bridge:
    """Brings what one stream holds to one server."""

    def __init__(
        self,
        address: Address,
        post: Post,
        *,
        redeliver_ms: int,
        once: bool,
        note: Callable[[str], None],
        show: Callable[[int], None],
    ) -> None:
        """Create a bridge.

        Args:
            address: the stream to read.
            post: how to reach the server.
            redeliver_ms: after what time without an acknowledgement another consumer gets a message.
            once: whether to end when nothing waits any more, and to wait for nobody who can't be reached.
            note: called once when the broker or the server is away, and once when it is back.
            show: called with the number of handled messages.

        Raises:
            Misconfigured: the library for the broker is not installed.
        """
        address.module(ROOM)
        self.counts = Counts()
        self._address = address
        self._post = post
        self._redeliver_ms = redeliver_ms
        self._once = once
        self._note = note
        self._show = show
        self._failures = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`, which leaves reports that are not recorded yet with the broker.

        Raises:
            Refused: the server refuses the caller.
            Unavailable: broker or server can't be reached, and `once` was asked for.
        """
        while not stop.is_set():
            source = source_of(self._address, self._redeliver_ms)
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await source.open()
                await self._pump(source, stop)
            except (Misconfigured, Refused, Unavailable):
                raise
            except Exception as error:  # noqa: BLE001 - the libraries raise what they like
                what = self._address.explain(error)
                await self._failed(f"{self._address.destination} can't be reached ({what})", 0, stop)
            else:
                return
            finally:
                await _close(source)

    async def _pump(self, source: Source, stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with asyncio.timeout(_ANSWER_S):
                taken = await source.take()
            if taken:
                await self._deal_with(taken, source, stop)
            elif self._once:
                return
            else:
                self._back()

    async def _deal_with(self, taken: Sequence[Taken], source: Source, stop: asyncio.Event) -> None:
        """Record a batch and acknowledge it; not if `stop` comes while the server is away."""
        batches: dict[str, list[tuple[Taken, bytes]]] = {MESSAGES_PATH: [], CONVERSIONS_PATH: []}
        rejected: list[tuple[Taken, str]] = []
        for each in taken:
            try:
                requested, item = native_of(each.body)
            except Malformed as error:
                rejected.append((each, f"Malformed: {error}"))
            else:
                batches[MESSAGES_PATH if requested else CONVERSIONS_PATH].append((each, item))
        recorded = unchanged = ignored = 0
        # In this order: where conversions of unknown messages are refused, those of this batch are known.
        for path, batch in batches.items():
            if not batch:
                continue
            answer = await self._record(path, [item for _, item in batch], stop)
            if answer is None:
                return
            recorded += answer.recorded
            unchanged += answer.unchanged
            ignored += len(answer.ignored)
            rejected += [(batch[each.index][0], f"{each.code}: {each.message}") for each in answer.rejected]
        async with asyncio.timeout(_ANSWER_S):
            await self._set_aside(rejected)
            await source.acknowledge(taken)
        self._back()
        self._count(recorded, unchanged, len(rejected), ignored)

    async def _record(self, path: str, items: list[bytes], stop: asyncio.Event) -> Recorded | None:
        while not stop.is_set():
            try:
                return await asyncio.to_thread(self._post, path, items)
            except Throttled as error:
                await self._failed(error.text, error.wait_ms, stop)
            except Unavailable as error:
                await self._failed(error.text, 0, stop)
        return None

    async def _set_aside(self, rejected: Sequence[tuple[Taken, str]]) -> None:
        if not rejected:
            return
        publisher = publisher_of(self._address.rejected)
        try:
            await publisher.open()
            outcomes = await publisher.publish(
                [each.body for each, _ in rejected], [_on_one_line(reason) for _, reason in rejected]
            )
        finally:
            await _close(publisher)
        if any(outcome.fate is not Fate.DELIVERED for outcome in outcomes):
            raise ConnectionError(f"{self._address.rejected.stream} is full: nothing more can be set aside")

    async def _failed(self, text: str, asked_ms: int, stop: asyncio.Event) -> None:
        """Say, the first time, that something is away; wait longer each time, unless `stop` comes."""
        if self._once:
            raise Unavailable(text)
        if not self._failures:
            self._note(f"waiting: {text}")
        self._failures += 1
        pause_s = min(_FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10), _LONGEST_PAUSE_S)
        pause_s = max(pause_s * random.uniform(0.5, 1), min(asked_ms / 1000, _LONGEST_PAUSE_S))  # noqa: S311 - no secret
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await stop.wait()

    def _back(self) -> None:
        if self._failures:
            self._note("going on")
        self._failures = 0

    def _count(self, recorded: int, unchanged: int, rejected: int, ignored: int) -> None:
        counts = self.counts
        counts.recorded += recorded
        counts.unchanged += unchanged
        counts.rejected += rejected
        counts.ignored += ignored
        self._show(counts.recorded + counts.unchanged + counts.rejected)


async def _close(opened: Source | Publisher) -> None:
    try:
        async with asyncio.timeout(_CLOSE_S):
            await opened.close()
    except Exception:  # noqa: BLE001, S110 - it is broken already
        pass


def _on_one_line(reason: str) -> str:
    return " ".join(reason.split()).encode("ascii", "backslashreplace").decode()[:_MAX_REASON]
