"""The relay's process: relays until its standard input ends, or until the server is silent.

The relay has a process of its own, since its calls would hold Python's global lock, and reports would have to
wait. `service/relaying.py` starts it.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, Final

from otpconv import folder
from otpconv.access.number_seal import NumberSeal
from otpconv.clock import Clock, wall_clock
from otpconv.config import Settings
from otpconv.relay.follower import Follower
from otpconv.relay.kinds import KINDS
from otpconv.relay.relay import Relay
from otpconv.service.compose import open_sealer
from otpconv.service.engines import engine_of
from otpconv.storage.awaitable import resolve
from otpconv.storage.lookup import Lookup, Stored

#: The server writes a byte about once a second while this process is to relay. Without one for this time, the
#: process ends: another node may relay.
SILENCE_S: Final = 10.0
#: In the data folder: held by the process that relays.
_LOCK: Final = "relaying"
_LOOK_S: Final = 0.1


def run_relay(settings: Settings, signs: BinaryIO, clock: Clock = wall_clock) -> None:
    """Relay until the input ends, or the server is silent.

    Args:
        settings: name the storage.
        signs: gets a byte about once a second.
        clock: the time now.

    Raises:
        Misconfigured: the storage can't be used.
        Unavailable: the storage failed at the start.
    """
    alive = _SignsOfLife(signs)
    with _held(settings.data / _LOCK, alive), ExitStack() as opened:
        engine = engine_of(settings)
        sealer = open_sealer(settings)
        vendors = opened.enter_context(closing(engine.access(clock).vendors(sealer)))
        journal = opened.enter_context(closing(engine.journal()))
        ledger = opened.enter_context(closing(engine.ledger_reader()))
        lookup = opened.enter_context(closing(engine.ledger_lookup()))
        runner = opened.enter_context(asyncio.Runner())
        store = engine.relay()

        def look_up(messages: Lookup) -> Stored:
            return runner.run(resolve(lookup.look_up(messages)))

        follower = Follower(journal, ledger, look_up, store, vendors=vendors.list, kinds=KINDS.get)
        relay = Relay(follower, store, vendors.list, KINDS.get, clock, open_number=NumberSeal(sealer).open)
        threading.Thread(target=partial(alive.wait_for_end, relay.stop), daemon=True).start()
        relay.run()


class _SignsOfLife:
    """Notices when the server has ended, or hangs."""

    def __init__(self, signs: BinaryIO) -> None:
        self._signs = signs
        self._ended = False
        self._last = time.monotonic()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def over(self) -> bool:
        """Whether the server has ended or hangs."""
        return self._ended or time.monotonic() - self._last > SILENCE_S

    def wait_for_end(self, then: Callable[[], None]) -> None:
        """Wait until the server has ended or hangs."""
        while not self.over:
            time.sleep(_LOOK_S)
        then()

    def _read(self) -> None:
        while os.read(self._signs.fileno(), 64):
            self._last = time.monotonic()
        self._ended = True


def _held(file: Path, alive: _SignsOfLife) -> IO[str]:
    """Wait until an earlier process, which finishes its calls, has ended."""
    while True:
        try:
            return folder.lock_file(file)
        except BlockingIOError:
            if alive.over:
                raise SystemExit(0) from None
            time.sleep(_LOOK_S)
