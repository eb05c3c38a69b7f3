"""What the two reporters have in common: the settings, and everything but waiting."""

import time
import weakref
from collections.abc import Iterator
from os import getpid
from pathlib import Path
from threading import RLock
from typing import Literal

from otpconv.clock import Clock, wall_clock
from otpconv.delivery.credentials import Provider
from otpconv.delivery.destination import (
    Dialect,
    dialect_of,
    nowhere,
    provider_of,
    spool_of,
    transport_of,
    url_of,
)
from otpconv.delivery.reports import MESSAGE, OWN_CLOCK, check_time, conversion, line_of, number_in, requested
from otpconv.reporter import processes
from otpconv.reporter.limits import Limits, Overflow, one_of
from otpconv.reporter.outbox import LOOK_S, Outbox, OutboxSettings
from otpconv.reporter.switch import FILE, Switch
from otpconv.reporter.tally import Stats

_DAY_MS = 24 * 60 * 60 * 1000


class BaseReporter:
    """Settings, spool and delivery of a reporter.

    Args:
        endpoint: the URL of an otpconv server, of the vendor's cloud, or of a broker; default:
            `OTPCONV_ENDPOINT`.
        access_key_id: who is calling; default: `OTPCONV_ACCESS_KEY_ID`.
        access_key_secret: default: `OTPCONV_ACCESS_KEY_SECRET`. Half a pair is completed from the
            environment if that holds no other key.
        security_token: of temporary credentials (STS); default: `OTPCONV_SECURITY_TOKEN`.
        credentials: in place of the three: asked before each round for credentials that change.
        region: in place of an endpoint: the vendor's own in this region, e.g. `ap-southeast-1`.
        dialect: `native` for otpconv's batches, `alibaba` for signed SmsConversion calls; default: by the
            endpoint, `alibaba` for the vendor's hosts.
        spool: the folder that keeps reports until they are delivered, or `:memory:`; default:
            `OTPCONV_SPOOL`, or a folder for this endpoint in `./otpconv-spool`.
        max_bytes: what the spool may take, of all processes together.
        max_age_ms: reports that waited in the spool for so long, by the steady clock, are given up.
        overflow: what gives way when the spool is full: `drop-oldest`, `drop-newest`, or `block`, which waits
            `block_ms` for room before it drops the new report.
        block_ms: see there.
        sync_ms: how often to make reports safe against a power failure; default: when the operating
            system does, after about 30 s.
        when_degraded: `spool` goes on spooling; `drop` drops and counts.
        switch_file: a file whose existence degrades; default: `degraded` in the spool.
        timeout_ms: how long a call may take in all, with connecting, TLS and a proxy.
        longest_pause_ms: the longest pause between two tries while the other side is broken.
        concurrency: SmsConversion calls on their way at once.
        disabled: report nothing: check reports, drop and count them. It needs no other argument.
        clock: the time now.

    Raises:
        TypeError: an argument is of another type.
        ValueError: an argument is malformed, or is missing and not in the environment either.
        Misconfigured: the endpoint is a broker's malformed URL, or the broker's library is not installed.
    """

    #: When the newest message was reported, ms, by our clock.
    _requested_at = -1

    def __init__(
        self,
        endpoint: str | None = None,
        access_key_id: str | None = None,
        access_key_secret: str | None = None,
        *,
        security_token: str | None = None,
        credentials: Provider | None = None,
        region: str | None = None,
        dialect: Dialect | None = None,
        spool: str | Path | None = None,
        max_bytes: int = 128 * 1024 * 1024,
        max_age_ms: int = 7 * _DAY_MS,
        overflow: Overflow = "drop-oldest",
        block_ms: int = 100,
        sync_ms: int | None = None,
        when_degraded: Literal["spool", "drop"] = "spool",
        switch_file: str | Path | None = None,
        timeout_ms: int = 10_000,
        longest_pause_ms: int = 30_000,
        concurrency: int = 8,
        disabled: bool = False,
        clock: Clock = wall_clock,
    ) -> None:
        url = nowhere(endpoint, region) if disabled else url_of(endpoint, region)
        spoken: Dialect = one_of("dialect", dialect or dialect_of(url), "native", "alibaba")
        provider = provider_of(url, spoken, credentials, access_key_id, access_key_secret, security_token)
        transport = transport_of(url, spoken, provider, clock, timeout_ms=timeout_ms, concurrency=concurrency)
        folder = spool_of(url, spool)
        self._clock = clock
        self._disabled = disabled
        self._block_s = block_ms / 1000 if overflow == "block" else 0.0
        self._drops = one_of("when_degraded", when_degraded, "spool", "drop") == "drop" or disabled
        self._switch = Switch(Path(switch_file).absolute() if switch_file else folder and folder / FILE)
        limits = Limits(max_bytes, max_age_ms, overflow)
        settings = OutboxSettings(folder, limits, transport, self._switch, clock, longest_pause_ms, sync_ms)
        self._use(Outbox(settings))
        self._takes_requested = disabled or self._outbox.takes_requested
        processes.reporters.add(self)

    def _use(self, outbox: Outbox) -> None:
        """Use the outbox of this process."""
        self._outbox = outbox
        # Read at each report.
        self._spool, self._losses, self._delivery = outbox.spool, outbox.losses, outbox.delivery
        self._finalizer = weakref.finalize(self, outbox.collect)
        self._finalizer.atexit = False

    def start(self) -> None:
        """Deliver what earlier processes have left in the spool, without waiting for a first report."""
        processes.notice_fork()
        if not self._disabled:
            self._spool.begin()

    def degrade(self) -> None:
        """Deliver nothing from now on; reports are spooled, or dropped, as chosen."""
        processes.notice_fork()
        self._switch.degrade()
        self._delivery.degraded = self._switch.look()

    def restore(self) -> None:
        """Deliver again; a switch file, if there is one, goes on degrading until it is removed."""
        processes.notice_fork()
        self._switch.restore()
        self._delivery.degraded = self._switch.look()
        self._delivery.hurry()

    def stats(self) -> Stats:
        """Return what became of the reports so far; it reads the spool, a millisecond for a few megabytes."""
        processes.notice_fork()
        return self._outbox.stats(disabled=self._disabled)

    def _conversion(
        self,
        message_id: str | None,
        delivered: bool,  # noqa: FBT001 - the wire's own flag
        conversion_time: int | None,
        to: str | None,
    ) -> tuple[bytes, int, bool]:
        """Return the line of the spool that reports a conversion, the time now, and whether it has a number.

        The line is empty if the message is known by its number alone, and nobody can read that.
        """
        if getpid() != processes.pid:
            processes.notice_fork()
        now = self._clock()
        flags = 0
        if conversion_time is None:
            # In the millisecond of its message it would be no later than that, and not valid.
            conversion_time, flags = now + (now == self._requested_at), OWN_CLOCK
        else:
            check_time("conversion_time", conversion_time)
        if to is not None:
            to = self._number_in(to)
            if to is None and message_id is None:
                return b"", now, False
        return line_of(flags, conversion(message_id, delivered, conversion_time, to)), now, to is not None

    def _requested(
        self, message_id: str, requested_at: int | None, to: str | None, fields: dict[str, object]
    ) -> tuple[bytes, int, bool]:
        """Return the line of the spool that reports a message, the time now, and whether it has a number."""
        if getpid() != processes.pid:
            processes.notice_fork()
        now = self._clock()
        flags = MESSAGE
        if requested_at is None:
            requested_at, flags = now, MESSAGE | OWN_CLOCK
            self._requested_at = now
        else:
            check_time("requested_at", requested_at)
        if to is not None:
            to = self._number_in(to)
        return line_of(flags, requested(message_id, requested_at, to, fields)), now, to is not None

    def _number_in(self, to: str) -> str | None:
        """Return the number as it is reported. One that nobody can read is left out, not the report."""
        number = number_in(to)
        if number is None:
            self._outbox.left_out.add("it can't be read; give it with + and its country code", 1)
        return number

    def _wanted(self) -> bool:
        """Return whether the other side wants to hear of requested messages; that it does not is counted."""
        if not self._takes_requested:
            self._losses.add("the endpoint takes conversions only", 1)
        return self._takes_requested

    def _take(self, line: bytes, now: int, has_number: bool) -> bool:  # noqa: FBT001 - faster so
        """Spool a line; False when somebody has to wait for room, or give the report up."""
        if self._drops:
            if self._disabled:
                self._losses.add("disabled", 1, logged=False)
                return True
            if self._delivery.degraded:
                self._losses.add("degraded", 1)
                return True
        if not line:
            self._losses.add("the number can't be read", 1)
            return True
        return self._spool.append(line, now, has_number)

    def _pauses(self) -> Iterator[float]:
        """Return the pauses, s, after each of which there may be room, as long as one may wait for it."""
        deadline = time.monotonic() + self._block_s
        while time.monotonic() < deadline:
            yield LOOK_S

    def _wait(self, deadline: float) -> bool:
        """Wait until all that was reported is settled, or until `deadline` (steady, s); return if it is."""
        processes.notice_fork()
        return self._outbox.wait(deadline)

    def _end(self, timeout: float) -> None:
        self._outbox.end(timeout)
        processes.reporters.discard(self)

    def _locks(self) -> tuple[RLock, ...]:
        return self._outbox.locks()

    def _forked(self) -> None:
        if self._outbox.pid != getpid():
            self._finalizer.detach()
            self._use(self._outbox.child())

    def _may_deliver(self) -> None:
        if self._delivery.put_off:
            self._spool.begin()
            self._delivery.start()

    def _at_exit(self, deadline: float) -> None:
        self._outbox.at_exit(deadline)
        processes.reporters.discard(self)
