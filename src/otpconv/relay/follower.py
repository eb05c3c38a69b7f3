"""Follows the journal: reads it from a durable cursor, and plans what to send to whom."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from otpconv.access.vendors import VendorAccount
from otpconv.model import Requested
from otpconv.relay.kind import Kind
from otpconv.relay.planner import Target, Targets, Touched, sends_of, touched
from otpconv.storage.contract import LedgerReader
from otpconv.storage.erasure import Erasure
from otpconv.storage.journal import Journal
from otpconv.storage.lookup import Lookup, Stored
from otpconv.storage.relay.contract import NewSend, RelayStore

#: Entries of the journal in one step.
BATCH: Final = 2_000
#: Rows about old messages that one transaction deletes.
_ERASED_AT_ONCE: Final = 5_000


class Follower:
    """Plans batch by batch, for one thread. A step that fails has changed nothing, or can be repeated.

    Args:
        journal: what to follow.
        ledger: knows how far it has applied the journal, and the state of a message.
        look_up: returns what the ledger holds about many messages.
        store: gets what to send.
        vendors: returns the vendor accounts of all accounts.
        kinds: returns the kind of a name; None if this version does not know it.
    """

    def __init__(
        self,
        journal: Journal,
        ledger: LedgerReader,
        look_up: Callable[[Lookup], Stored],
        store: RelayStore,
        *,
        vendors: Callable[[], Sequence[VendorAccount]],
        kinds: Callable[[str], Kind | None],
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._look_up = look_up
        self._store = store
        self._vendors = vendors
        self._kinds = kinds

    def step(self) -> set[int]:
        """Plan one batch of what the ledger has applied, and return the vendor accounts that get something.

        Raises:
            Misconfigured: the journal is damaged.
            Unavailable: the storage failed.
        """
        cursor = self._store.cursor()
        with self._ledger.snapshot() as applied:
            pass
        if cursor >= applied:
            return set()
        entries = [entry for entry in self._journal.read(cursor, BATCH) if entry.position <= applied]
        if not entries:
            return set()
        # Read after the entries: a vendor account that is created later gets only later ones.
        targets = self._targets()
        sends = self._planned(touched(entries, targets), targets)
        for entry in entries:
            if isinstance(entry.report, Erasure):
                self._erase(entry.report)
                erased = set(entry.report.messages)
                sends = [send for send in sends if (send.account, send.message_id) not in erased]
        self._store.advance(cursor, entries[-1].position, sends)
        return {send.vendor for send in sends}

    def behind(self) -> bool:
        """Return whether the ledger has applied entries that are not planned.

        Raises:
            Unavailable: the storage failed.
        """
        with self._ledger.snapshot() as applied:
            return self._store.cursor() < applied

    def _targets(self) -> Targets:
        targets = {}
        for vendor in self._vendors():
            if vendor.relayed and (kind := self._kinds(vendor.kind)) is not None:
                targets[vendor.account, vendor.provider] = Target(vendor, kind)
        return targets

    def _planned(self, found: Touched, targets: Targets) -> list[NewSend]:
        states: dict[int, list[str]] = {}
        for account, message_id in found.positions:
            states.setdefault(account, []).append(message_id)
        if not found.positions and not found.by_number:
            return []
        stored = self._look_up(Lookup(states, {}, list(found.by_number)))
        sends: list[NewSend] = []
        for (account, message_id), position in found.positions.items():
            state = stored.states.get(account, {}).get(message_id)
            if state is not None and state.requested is not None:
                verified_at = None if state.verified else self._verified_by_number(state.requested, targets)
                sends += sends_of(state.requested, state, verified_at, position, targets)
        for conversion, position in found.by_number.items():
            owner = stored.owners.get(conversion)
            message = owner and self._ledger.message(owner.account, owner.message_id)
            if message and message.state.requested:
                verified_at = conversion.conversion_time if conversion.delivered else message.verified_at
                state = message.state.with_conversion(conversion)
                sends += sends_of(message.state.requested, state, verified_at, position, targets)
        return _one_each(sends)

    def _verified_by_number(self, requested: Requested, targets: Targets) -> int | None:
        """Return when a conversion known by number alone verified a message, ms; None if none did."""
        if not requested.number or (requested.account, requested.dimensions.provider) not in targets:
            return None
        message = self._ledger.message(requested.account, requested.message_id)
        return message.verified_at if message else None

    def _erase(self, erasure: Erasure) -> None:
        self._store.erase(erasure.messages)
        if erasure.before:
            while self._store.erase_before(erasure.before, _ERASED_AT_ONCE):
                pass


def _one_each(sends: Iterable[NewSend]) -> list[NewSend]:
    """Return what to send about each message: of several outcomes, that the user entered the code."""
    chosen: dict[tuple[int, int, str, bool], NewSend] = {}
    for send in sends:
        name = send.vendor, send.account, send.message_id, send.feedback == "requested"
        if name not in chosen or send.feedback == "received":
            chosen[name] = send
    return list(chosen.values())
