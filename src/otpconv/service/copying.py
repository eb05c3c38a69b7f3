"""Copies a storage into another one: opens both sides, and brings the sealing key along."""

import base64
from collections.abc import Callable
from contextlib import ExitStack, closing

from msgspec import Struct

from otpconv.access.sealing import load_key
from otpconv.config import Settings
from otpconv.errors import Misconfigured
from otpconv.service import data_folder
from otpconv.service.engines import engine_of, postgres_engine
from otpconv.service.opening import open_key_store, open_sealer
from otpconv.service.running import is_served, stopped
from otpconv.service.upkeep import SEALING_KEY
from otpconv.storage.check_result import CheckResult
from otpconv.storage.copying import Copy
from otpconv.storage.engine import Engine
from otpconv.storage.relay.copying import copy_relay


class Copied(Struct, frozen=True):
    """The result of a copy.

    Attributes:
        position: of the newest entry in the journal of the copy.
        copied: how many entries this run has added to it.
        lag: how many entries the source had more when the run ended.
        served: whether a server runs on the source.
        checks: the results of the verification.
    """

    position: int
    copied: int
    lag: int
    served: bool
    checks: list[CheckResult]


def copy(source: Settings, target: Settings, show: Callable[[int, int], None]) -> Copied:
    """Copy everything from one storage into another one, while servers may run on the first; or continue.

    Args:
        source: name the storage to copy.
        target: name the storage to fill; no server may run on it.
        show: called now and then with the work done so far, and all of it.

    Raises:
        Misconfigured: the source was never used, the target is in use or has other data, a newer otpconv made
            one of them, or the sealing key is missing or another one.
        Unavailable: a storage fails. Run it again then: it continues.
    """
    if source.data == target.data and source.ledger == target.ledger:
        raise Misconfigured("--from and --to name the same storage: copy into another one")
    from_engine, to_engine = engine_of(source), engine_of(target)
    if not from_engine.has_journal():
        raise Misconfigured(f"there is no journal in {_name(source)}: no server has used it yet")
    with ExitStack() as opened:
        if target.ledger is not None:
            postgres_engine(target).create()
        opened.enter_context(stopped(target))
        here = opened.enter_context(closing(from_engine.transfer()))
        there = opened.enter_context(closing(to_engine.transfer()))
        copying = Copy(here, there, show)
        copying.require_fit()
        _copy_key(source, target)
        before = there.head()
        if here.state()["vendor_accounts"]:
            with closing(from_engine.relay()) as relay, closing(to_engine.relay()) as copied_relay:
                copy_relay(relay, copied_relay)
        if from_engine.has_alerts():
            _copy_alerts(from_engine, to_engine)
        checks = list(copying.run())
        with closing(from_engine.journal()) as journal, closing(to_engine.journal()) as copied:
            if journal.had_keys():
                copied.note_keys()
        open_key_store(target).close()  # checks that the sealing key opens the secrets
        position, end = there.head(), here.head()
    return Copied(position, position - before, end - position, is_served(source), checks)


def _copy_alerts(source: Engine, target: Engine) -> None:
    """Replace the alerts of the target and their notifications by those of the source."""
    # Notifications first: the copy plans once more what happens meanwhile, rather than leave it out.
    with closing(source.notifications()) as sends, closing(target.notifications()) as copied_sends:
        copied_sends.replace(sends.stored())
    with closing(source.alerts()) as alerts, closing(target.alerts()) as copied_alerts:
        copied_alerts.replace(alerts.stored())


def _copy_key(source: Settings, target: Settings) -> None:
    """Bring the sealing key into the data folder of the target, unless it has it or the settings give it.

    Raises:
        Misconfigured: the source has none, or the target has another one.
    """
    open_sealer(source)
    if source.sealing_key is not None or target.data == source.data:
        return
    key = load_key(source.data / SEALING_KEY, None, make=False)
    file = data_folder.make(target.data) / SEALING_KEY
    if not file.exists():
        data_folder.write_private(file, base64.b64encode(key).decode() + "\n")
    elif load_key(file, None, make=False) != key:
        raise Misconfigured(
            f"{file} is another sealing key than that of the source, so the secrets could not be read: copy"
            " into an empty folder"
        )


def _name(settings: Settings) -> str:
    return str(settings.data) if settings.ledger is None else "this PostgreSQL"
