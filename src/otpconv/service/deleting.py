"""Deletes messages by command, beside a running server or without one."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from otpconv.clock import Clock, wall_clock
from otpconv.config import Settings
from otpconv.errors import Misconfigured, Unavailable
from otpconv.ledger.erasing import Eraser
from otpconv.service import data_folder
from otpconv.service.engines import storage_of, used_engine
from otpconv.service.running import alone, is_served, nodes_of
from otpconv.storage.awaitable import resolve
from otpconv.storage.contract import Entry, LedgerWriter
from otpconv.storage.engine import Engine
from otpconv.storage.erasure import Erasure

#: How long an erasure may wait while the ledger stands still, s; the server applies earlier reports first.
APPLIED_WITHIN_S = 120.0
#: How often it is checked whether the ledger has it, s.
_CHECK_S = 0.002
#: Entries of one transaction, where no server applies the journal.
_BATCH = 5_000


def prune(
    settings: Settings,
    before: int,
    deleted: Callable[[int], None],
    check: Callable[[], None] | None = None,
) -> int:
    """Delete the messages of all accounts requested before a time, also while a server runs on the folder.

    Args:
        settings: name the data folder.
        before: the time, ms.
        deleted: called now and then with the number of messages deleted so far.
        check: see `Eraser.prune`.

    Returns:
        The number of deleted messages.

    Raises:
        Misconfigured: there is no journal, a file is damaged, or another deletion runs.
        Unavailable: the disk is full or fails, or the server does not apply the journal. Run it again then.
    """
    with _eraser(settings) as eraser:
        return eraser.prune(before, deleted, check)


def forget(settings: Settings, account: int, number: str) -> int:
    """Delete everything about a number (keyed hash) of an account, as `prune` does.

    Returns:
        The number of deleted messages.

    Raises:
        Misconfigured: there is no journal, a file is damaged, or another deletion runs.
        Unavailable: the disk is full or fails, or the server does not apply the journal. Run it again then.
    """
    with _eraser(settings) as eraser:
        return eraser.forget(account, number)


class Recording:
    """Appends erasures to the journal, and waits until the ledger has applied each. Use it from one thread.

    Args:
        engine: opens the journal.
        applied: returns the position of the last journal entry in the ledger.
        clock: the time now.
    """

    def __init__(self, engine: Engine, applied: Callable[[], int], clock: Clock = wall_clock) -> None:
        self._journal = engine.journal()
        self._relay = engine.relay()
        self._runner = asyncio.Runner()
        self._applied = applied
        self._clock = clock

    def __call__(self, erasure: Erasure) -> None:
        """Append an erasure and wait for the ledger. What the relay keeps about its messages goes first.

        The relay deletes it too when it reads the erasure: meanwhile it may have added something.

        Raises:
            Unavailable: the storage failed, or the ledger stood still for 120 s.
        """
        self._relay.erase(erasure.messages)
        append = self._journal.append([Entry(erasure)], self._clock())
        position = self._runner.run(resolve(append))
        reached, deadline = -1, 0.0
        while (cursor := self._applied()) < position:
            if cursor > reached:
                reached, deadline = cursor, time.monotonic() + APPLIED_WITHIN_S
            elif time.monotonic() > deadline:
                raise Unavailable(
                    "The server does not apply the deletion to the ledger: read its log, then run the command"
                    " again."
                )
            time.sleep(_CHECK_S)

    def close(self) -> None:
        """Close the journal."""
        self._runner.close()
        self._relay.close()
        self._journal.close()


@contextmanager
def _eraser(settings: Settings) -> Iterator[Eraser]:
    """Open the storage beside running servers, or without one, and apply the journal in their place."""
    engine = used_engine(settings)
    with ExitStack() as opened:
        try:
            opened.enter_context(alone(settings))
        except BlockingIOError:
            raise Misconfigured(
                f"another deletion or `otpconv ledger verify` runs on {storage_of(settings)}: wait until it"
                " has finished"
            ) from None
        served = is_served(settings)
        shared = nodes_of(settings) is not None
        if not served:
            if not shared:
                opened.enter_context(data_folder.hold(settings.data))
            engine.prepare_ledger()
        ledger = engine.ledger_reader()
        opened.callback(ledger.close)

        def applied() -> int:
            with ledger.snapshot() as cursor:
                return cursor

        # Appliers of a shared storage take turns, so this one need not wait for that of a server.
        if shared or not served:
            writer = engine.ledger_writer()
            opened.callback(writer.close)
            applied = partial(writer.apply, _BATCH) if served else _catching_up(writer)
        record = Recording(engine, applied)
        opened.callback(record.close)
        eraser = Eraser(ledger, engine.journal_eraser(), record)
        opened.callback(eraser.close)
        yield eraser
        # A node may have been started meanwhile; a held data folder lets no server start.
        if not served and not (shared and is_served(settings)):
            _compact(engine)


def _compact(engine: Engine) -> None:
    try:
        engine.compact()
    except Unavailable as error:
        raise Unavailable(
            "The messages were deleted, but unused space of the files may still contain them, since the files"
            f" could not be rewritten. {error.text}"
        ) from error


def _catching_up(writer: LedgerWriter) -> Callable[[], int]:
    """Return a function that applies the whole journal and returns the position of its last entry."""

    def applied() -> int:
        cursor = -1
        while cursor < (cursor := writer.apply(_BATCH)):
            pass
        return cursor

    applied()
    return applied
