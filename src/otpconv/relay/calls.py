"""Calls a vendor: several calls at the same time, each on a connection of its own."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from msgspec.structs import replace

from otpconv.access.vendors import VendorAccount
from otpconv.clock import Clock
from otpconv.delivery.connection import Connection, Response, Unreachable
from otpconv.delivery.skew import Skew
from otpconv.delivery.transport import DELIVERED, Fate, Outcome
from otpconv.relay.bucket import Bucket
from otpconv.relay.kind import Call, Kind, Stamp
from otpconv.storage.relay.contract import Send

#: How long an answer of a vendor may take, ms.
TIMEOUT_MS: Final = 10_000
#: The code of a call that may have arrived, and whose answer is missing.
UNKNOWN_OUTCOME: Final = "UnknownOutcome"
#: Threads are used for this many calls each, up to the concurrency of the kind.
_CALLS_A_THREAD: Final = 4
_NONCE_BYTES: Final = 16

#: (account, message id, sealed number) -> the number in E.164; empty if it does not open.
OpenNumber = Callable[[int, str, str], str]

_SETTLED: Final = {Fate.DELIVERED, Fate.REJECTED}


class Calls:
    """Calls to one vendor account. For one thread, which waits for all calls that it starts.

    Args:
        vendor: the vendor account.
        kind: its kind.
        clock: the time now.
        open_number: returns the phone number of an account's message from the sealed one.
        timeout_ms: how long an answer may take.
    """

    def __init__(
        self,
        vendor: VendorAccount,
        kind: Kind,
        clock: Clock,
        open_number: OpenNumber = lambda *_: "",
        *,
        timeout_ms: int = TIMEOUT_MS,
    ) -> None:
        self._open_number = open_number
        self._vendor = vendor
        self._kind = kind
        self._clock = clock
        self._skew = Skew()
        self._bucket = Bucket(vendor.per_second or kind.per_second)
        endpoint = vendor.settings["endpoint"]
        self._connections = [Connection(endpoint, timeout_ms) for _ in range(kind.concurrency)]
        self._threads = ThreadPoolExecutor(kind.concurrency, f"relay {vendor.name}")
        self._stopping = threading.Event()

    def send(self, sends: Sequence[Send]) -> list[Outcome]:
        """Send feedbacks, and return their outcomes in the same order.

        A connection on which one comes to nothing makes no further calls; the rest is `UNSENT`.
        """
        outcomes = [Outcome(Fate.UNSENT)] * len(sends)
        size = self._kind.batch
        places = iter(range(0, len(sends), size))
        count = min(len(self._connections), 1 + len(sends) // size // _CALLS_A_THREAD)
        work = [
            self._threads.submit(self._work, connection, sends, places, outcomes)
            for connection in self._connections[:count]
        ]
        for each in work:
            each.result()
        return outcomes

    def probe(self) -> Outcome:
        """Make the harmless call of the kind, which must have one."""
        probe = self._kind.probe
        assert probe is not None, "the caller has checked it"  # noqa: S101
        answer = self._answer(self._connections[0], probe.make(self._vendor, self._stamp()))
        return probe.read(answer, self._clock()) if isinstance(answer, Response) else answer

    def stop(self) -> None:
        """Make no further calls; any thread may call it."""
        self._stopping.set()

    def close(self) -> None:
        """Close the connections."""
        self._threads.shutdown()
        for connection in self._connections:
            connection.close()

    def _work(
        self, connection: Connection, sends: Sequence[Send], places: Iterator[int], outcomes: list[Outcome]
    ) -> None:
        for place in places:
            some = sends[place : place + self._kind.batch]
            found = self._divided(connection, some)
            outcomes[place : place + len(some)] = found
            if not any(outcome.fate in _SETTLED for outcome in found):
                return

    def _divided(self, connection: Connection, sends: Sequence[Send]) -> list[Outcome]:
        """Report feedbacks and, if all are refused because of one, each half: in 2 n - 1 calls at most."""
        if (wait_s := self._bucket.take()) > 0:
            time.sleep(wait_s)
        if self._stopping.is_set():
            return [Outcome(Fate.UNSENT)] * len(sends)
        outcomes = self._report(connection, sends)
        half = len(sends) // 2
        if not half or outcomes[0].code not in self._kind.refused_whole:
            return outcomes
        first = self._divided(connection, sends[:half])
        if first[-1].fate not in _SETTLED:  # the vendor has broken meanwhile
            return [*first, *[Outcome(Fate.UNSENT)] * (len(sends) - half)]
        return [*first, *self._divided(connection, sends[half:])]

    def _report(self, connection: Connection, sends: Sequence[Send]) -> list[Outcome]:
        skew_ms = self._skew.ms
        if self._kind.known_by == "number":
            sends = [self._with_number(send) for send in sends]
        answer = self._answer(connection, self._kind.make(self._vendor, sends, self._stamp()))
        if not isinstance(answer, Response):
            return [answer] * len(sends)
        now = self._clock()
        outcomes = self._kind.read(answer, sends, now)
        self._skew.learn(answer.headers.get("date"), now)
        if self._skew.differs(skew_ms):
            # The clock may have been wrong, and another call may have measured it: try once more.
            again = Outcome(Fate.BUSY, "ClockSkew", "the clock of this machine is wrong")
            return [each if each is DELIVERED else again for each in outcomes]
        return outcomes

    def _answer(self, connection: Connection, call: Call) -> Response | Outcome:
        harmful = self._kind.repeat == "harmful"
        if harmful:
            connection.close()  # on a connection that was kept, a request may be sent twice
        try:
            return connection.request(call.method, call.target, call.headers, call.body)
        except Unreachable as error:
            code = UNKNOWN_OUTCOME if harmful and error.sent else error.kind
            return Outcome(Fate.FAILED, code, str(error))

    def _with_number(self, send: Send) -> Send:
        """Return a feedback that names its message by its number."""
        number = self._open_number(self._vendor.account, send.reported_id, send.message_id)
        return replace(send, message_id=number)

    def _stamp(self) -> Stamp:
        return Stamp(self._clock() + self._skew.ms, secrets.token_hex(_NONCE_BYTES))
