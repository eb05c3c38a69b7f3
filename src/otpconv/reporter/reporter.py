"""The reporter: takes a report in microseconds, loses nothing, and never hurts its caller."""

import time
from types import TracebackType
from typing import Self

from otpconv.reporter.base import BaseReporter


class Reporter(BaseReporter):
    """Takes reports about one-time passwords and delivers them in the background.

    `report` and `requested` raise TypeError or ValueError for arguments that can't be meant, and nothing
    else; they never wait for the network. What they have returned for outlives the process, however it ends,
    unless the reporter keeps everything in memory. A reporter may be used by many threads, and by the
    children of a fork; many processes may use one spool, of which one delivers. Nothing is sent, and no
    thread started, before the first report. `BaseReporter` explains the arguments.
    """

    def report(
        self,
        message_id: str | None = None,
        delivered: bool = True,  # noqa: FBT001, FBT002 - the wire's own flag
        conversion_time: int | None = None,
        to: str | None = None,
    ) -> None:
        """Report whether the user typed the code of a message back.

        Args:
            message_id: the message, as the vendor named it when it was sent; or give `to`.
            delivered: whether the code came back.
            conversion_time: when, ms since 1970, UTC; default: now.
            to: the recipient's number with its country code. One that can't be read is left out, and
                counted; without a `message_id` the report is lost then.

        Raises:
            TypeError: an argument is of another type.
            ValueError: an argument is out of range.
        """
        line, now, has_number = self._conversion(message_id, delivered, conversion_time, to)
        if not self._take(line, now, has_number):
            self._wait_for_room(line, now, has_number)

    def requested(
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
        """Report that a message was handed to a vendor. The vendor's own cloud knows it and gets no report.

        Args:
            message_id: the message, as the vendor named it.
            requested_at: when it was handed over, ms since 1970, UTC; default: now.
            to: the recipient's number with its country code; gives country, carrier and number range. One
                that can't be read is left out, and counted.
            country: ISO 3166 alpha-2.
            carrier: the mobile network of the number.
            provider: the vendor.
            template: the message template.
            sender: the sender ID that the recipient sees.
            channel: `voice`, `whatsapp`, …; default: `sms`.
            session_id: the login attempt that it belongs to.
            attempt: 1 = first send, 2 = first resend, …
            vendor_message_id: the vendor's id of the message, if it is not `message_id`.
            price: what it costs, e.g. `"0.0075"`; needs a `currency`.
            currency: of the price, ISO 4217.

        Raises:
            TypeError: an argument is of another type.
            ValueError: an argument is out of range.
        """
        fields: dict[str, object] = dict(  # noqa: C408 - as short as the call
            country=country, carrier=carrier, provider=provider, template=template, sender=sender,
            channel=channel, session_id=session_id, attempt=attempt, vendor_message_id=vendor_message_id,
            price=price, currency=currency,
        )  # fmt: skip
        line, now, has_number = self._requested(message_id, requested_at, to, fields)
        if self._wanted() and not self._take(line, now, has_number):
            self._wait_for_room(line, now, has_number)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until all that this process has reported is delivered, or set aside, or lost.

        Args:
            timeout: how long, s.

        Returns:
            Whether it is; False when the time was over first.
        """
        return self._wait(time.monotonic() + timeout)

    def close(self, timeout: float = 2.0) -> bool:
        """Wait as `flush` does, then end the background thread; undelivered reports stay in the spool.

        A report that comes later is spooled all the same, and is delivered by whoever uses the spool next.

        Args:
            timeout: how long, s.

        Returns:
            Whether everything is delivered, set aside or lost.
        """
        deadline = time.monotonic() + timeout
        done = self.flush(timeout)
        self._end(max(0.1, deadline - time.monotonic()))
        return done

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait_for_room(self, line: bytes, now: int, has_number: bool) -> None:  # noqa: FBT001 - as it was given
        for pause_s in self._pauses():
            time.sleep(pause_s)
            if self._take(line, now, has_number):
                return
        self._losses.add("overflow", 1)
