"""Opens the parts of a data folder for the command line and other processes; a server may run meanwhile."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from otpconv.access.directory import Directory
from otpconv.access.keys import KeyStore
from otpconv.access.sealing import Sealer, load_key
from otpconv.clock import Clock, wall_clock
from otpconv.config import Settings
from otpconv.service import data_folder
from otpconv.service.engines import engine_of
from otpconv.storage.awaitable import resolve
from otpconv.storage.contract import LedgerReader
from otpconv.storage.engine import Engine
from otpconv.storage.lookup import Lookup, Stored


def open_sealer(settings: Settings) -> Sealer:
    """Return what seals secrets, from the settings or the data folder's own key.

    Raises:
        Misconfigured: the key is malformed, its file may be read by others, or it is gone.
    """
    given = settings.sealing_key.get_secret_value() if settings.sealing_key else None
    file = data_folder.make(settings.data) / "sealing.key"
    return Sealer(load_key(file, given, make=not engine_of(settings).has_journal()))


def open_key_store(settings: Settings, clock: Clock = wall_clock) -> KeyStore:
    """Return the access keys of a data folder, for the command line; a running server sees changes at once.

    Raises:
        Misconfigured: the folder or something in it can't be used.
    """
    sealer = open_sealer(settings)
    return engine_of(settings).access(clock).keys(sealer)


def open_directory(settings: Settings, clock: Clock = wall_clock) -> Directory:
    """Return the users, roles and policies of a data folder; a running server sees changes at once.

    Raises:
        Misconfigured: the folder or something in it can't be used.
    """
    data_folder.make(settings.data)
    return engine_of(settings).access(clock).directory()


def open_ledger(settings: Settings) -> tuple[LedgerReader, int]:
    """Return the ledger of a data folder for reading, and how many acknowledged reports it still lacks.

    A server may run on the folder meanwhile.

    Raises:
        Misconfigured: there is no ledger, it can't be used, or it does not fit the journal.
        Unavailable: the disk fails.
    """
    return engine_of(settings).open_ledger()


@contextmanager
def opened_look_up(engine: Engine) -> Iterator[Callable[[Lookup], Stored]]:
    """Return what looks messages up in the ledger, for a thread without an event loop; closed on leaving.

    Raises:
        Misconfigured: the storage can't be used.
        Unavailable: the storage failed.
    """
    with closing(engine.ledger_lookup()) as ledger, asyncio.Runner() as runner:
        yield lambda messages: runner.run(resolve(ledger.look_up(messages)))
