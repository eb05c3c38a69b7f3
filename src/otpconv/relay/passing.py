"""Passes messages on to vendors: each call once, on a connection of its own, and never again.

A repeat is a second message. A server may close a kept connection at any moment, and then nobody knows
whether it has taken the request. So no connection is kept.
"""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from otpconv import lock_sharing
from otpconv.access.once import OnceGuard
from otpconv.access.vendors import VendorAccount
from otpconv.delivery.connection import Connection, Response
from otpconv.errors import ReplayedNonce, Throttled
from otpconv.relay.kind import MAX_SEND_TIMEOUT_S, SEND_TIMEOUT, Call

#: Calls of one vendor account that are on their way at most: with 200 ms for an answer, 320 per second.
MAX_CALLS: Final = 64
#: The same of all vendor accounts: each call has a thread.
MAX_ALL_CALLS: Final = 256
#: Bytes of an answer at most: that of a batch of 1,000 messages has some 20 KiB.
MAX_ANSWER_BYTES: Final = 256 * 1024
#: When a caller may try again while too many calls are on their way, ms.
_WAIT_MS: Final = 1_000


class Passing:
    """The calls that are on their way. For the thread of the event loop.

    Args:
        once: the guard against calls that another node has passed on.
    """

    def __init__(self, once: OnceGuard) -> None:
        self._once = once
        self._calls: Counter[int] = Counter()
        self._threads = ThreadPoolExecutor(MAX_ALL_CALLS, "sending")

    async def pass_on(self, vendor: VendorAccount, call: Call, used_once: str) -> Response:
        """Make a call, once, and return its answer.

        If the caller of this method is cancelled, the call goes on: the message may be out already.

        Args:
            vendor: the vendor account.
            call: the call.
            used_once: identifies the signed request that asks for the call; empty if it can't be identified.

        Raises:
            Throttled: too many calls are on their way; nothing was sent.
            ReplayedNonce: the request was used before; nothing was sent.
            Unavailable: the storage failed; nothing was sent.
            Unreachable: there is no answer; `sent` says whether the vendor may have the call.
        """
        if self._calls[vendor.id] >= MAX_CALLS or self._calls.total() >= MAX_ALL_CALLS:
            raise Throttled(
                f"Too many messages of the vendor account {vendor.name} are on their way: the vendor answers"
                " too slowly. This message was not sent. Try again in a second.",
                wait_ms=_WAIT_MS,
            )
        self._calls[vendor.id] += 1
        lock_sharing.begin()
        made = asyncio.get_running_loop().run_in_executor(self._threads, self._make, vendor, call, used_once)
        made.add_done_callback(lambda _: self._ended(vendor.id))
        return await asyncio.shield(made)

    def close(self) -> None:
        """Wait for the calls that are on their way."""
        self._threads.shutdown()

    def _ended(self, vendor: int) -> None:
        lock_sharing.end()
        self._calls[vendor] -= 1
        if not self._calls[vendor]:
            del self._calls[vendor]

    def _make(self, vendor: VendorAccount, call: Call, used_once: str) -> Response:
        if used_once and not self._once.use(vendor.account, used_once, bounded=False):
            raise ReplayedNonce("The nonce of this request was used at another node. Sign it again.")
        timeout_s = int(vendor.settings.get(SEND_TIMEOUT, MAX_SEND_TIMEOUT_S))
        connection = Connection(vendor.settings["endpoint"], timeout_s * 1_000, MAX_ANSWER_BYTES)
        try:
            return connection.request(call.method, call.target, call.headers, call.body)
        finally:
            connection.close()
