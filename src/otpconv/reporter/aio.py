"""The reporter for asyncio: the same, where waiting lets the event loop go on."""

import asyncio
import time
from types import TracebackType
from typing import Self

from otpconv.reporter import processes
from otpconv.reporter.base import BaseReporter
from otpconv.reporter.outbox import LOOK_S


class AsyncReporter(BaseReporter):
    """Takes reports as `Reporter` does, in microseconds on the event loop; delivery is in a thread.

    It may be made before there is an event loop, and used by several. `BaseReporter` explains the arguments.
    """

    async def report(
        self,
        message_id: str | None = None,
        delivered: bool = True,  # noqa: FBT001, FBT002 - the wire's own flag
        conversion_time: int | None = None,
        to: str | None = None,
    ) -> None:
        """Report whether the user typed the code of a message back; as `Reporter.report`."""
        line, now, has_number = self._conversion(message_id, delivered, conversion_time, to)
        if not self._take(line, now, has_number):
            await self._wait_for_room(line, now, has_number)

    async def requested(
        self,
        message_id: str,
        *,
        requested_at: int | None = None,
        to: str | None = None,
        country: str | None = None,
        carrier: str | None = None,
        provider: str | None = None,
        template: str | None = None,
        sender: str | None = None,
        channel: str | None = None,
        session_id: str | None = None,
        attempt: int | None = None,
        vendor_message_id: str | None = None,
        price: str | None = None,
        currency: str | None = None,
    ) -> None:
        """Report that a message was handed to a vendor; as `Reporter.requested`."""
        fields: dict[str, object] = {
            "country": country,
            "carrier": carrier,
            "provider": provider,
            "template": template,
            "sender": sender,
            "channel": channel,
            "session_id": session_id,
            "attempt": attempt,
            "vendor_message_id": vendor_message_id,
            "price": price,
            "currency": currency,
        }
        line, now, has_number = self._requested(message_id, requested_at, to, fields)
        if self._wanted() and not self._take(line, now, has_number):
            await self._wait_for_room(line, now, has_number)

    async def flush(self, timeout: float = 5.0) -> bool:  # noqa: ASYNC109 - as `Reporter` has it
        """Wait until all that this process has reported is delivered, or set aside, or lost.

        Args:
            timeout: how long, s.

        Returns:
            Whether it is; False when the time was over first.
        """
        processes.notice_fork()
        deadline = time.monotonic() + timeout
        self._delivery.hurry()
        while not self._spool.delivered():
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    async def close(self, timeout: float = 2.0) -> bool:  # noqa: ASYNC109 - as `Reporter` has it
        """Wait as `flush` does, then end the background thread; undelivered reports stay in the spool.

        A report that comes later is spooled all the same, and is delivered by whoever uses the spool next.

        Args:
            timeout: how long, s.

        Returns:
            Whether everything is delivered, set aside or lost.
        """
        deadline = time.monotonic() + timeout
        done = await self.flush(timeout)
        await asyncio.to_thread(self._end, max(0.1, deadline - time.monotonic()))
        return done

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _wait_for_room(self, line: bytes, now: int, has_number: bool) -> None:  # noqa: FBT001 - as it was given
        for pause_s in self._pauses():
            await asyncio.sleep(pause_s)
            if self._take(line, now, has_number):
                return
        self._losses.add("overflow", 1)
