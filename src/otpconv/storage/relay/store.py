"""What the relay keeps, in the tables of an engine."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict

from otpconv.storage.relay.contract import (
    LETTERS,
    MAX_LETTERS,
    Contact,
    Evidence,
    NewSend,
    Send,
    Settled,
    Status,
    StoredSend,
)
from otpconv.storage.statements import SqlValue, statements
from otpconv.storage.tables import Tables

#: The statements of the tables, by name.
STATEMENTS: Final = statements(__package__, "statements.sql")

_UNKNOWN = (
    "The relay stopped while it was sending, and the vendor may have the report. Ask the vendor, or send it"
    " again: otpconv relay retry"
)


class _Row(Struct, array_like=True):
    """The vendor account and the status of a row that was deleted."""

    vendor: int
    status: Status


class _Count(Struct, array_like=True):
    """A row of `relay_counts`."""

    vendor: int
    status: Status
    sends: int


class _Number(Struct, array_like=True):
    """A row with a number."""

    number: int


class _Counted:
    """Changes of the numbers of sends, added to the counts at the end of a transaction.

    Args:
        tables: where the counts are.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._changes: Counter[tuple[int, Status]] = Counter()

    def add(self, vendor: int, status: Status, sends: int) -> None:
        self._changes[vendor, status] += sends

    def move(self, vendor: int, before: Status, status: Status, sends: int) -> None:
        self.add(vendor, before, -sends)
        self.add(vendor, status, sends)

    def write(self) -> None:
        """Write all changes, in an order in which two transactions can't wait for each other."""
        changes = [
            {"vendor": vendor, "status": status, "sends": sends}
            for (vendor, status), sends in sorted(self._changes.items())
            if sends
        ]
        if changes:
            self._tables.run_many("count", changes)


class TableRelayStore:
    """A `RelayStore` in the tables of an engine.

    Args:
        tables: the open tables; closed with the store.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def cursor(self) -> int:
        """See `RelayStore.cursor`."""
        with self._tables.reading():
            return self._tables.rows("cursor", _Number)[0].number

    def restart(self, position: int) -> None:
        """See `RelayStore.restart`."""
        with self._tables.changing():
            self._tables.run("restart", position=position)

    def advance(self, after: int, upto: int, sends: Sequence[NewSend]) -> bool:
        """See `RelayStore.advance`."""
        counted = _Counted(self._tables)
        with self._tables.changing():
            if not self._tables.run("advance", after=after, upto=upto):
                return False
            for vendor in sorted({send.vendor for send in sends}):
                self._add(vendor, [send for send in sends if send.vendor == vendor], counted)
            counted.write()
        return True

    def erase(self, messages: Collection[tuple[int, str]]) -> None:
        """See `RelayStore.erase`."""
        counted = _Counted(self._tables)
        with self._tables.changing():
            for account, message_id in sorted(messages):
                for row in self._tables.rows("erase", _Row, account=account, message_id=message_id):
                    counted.add(row.vendor, row.status, -1)
            counted.write()
        self._tables.clear_log()

    def erase_before(self, time: int, limit: int) -> int:
        """See `RelayStore.erase_before`."""
        return self._delete("erase_before", time=time, limit=limit)

    def drop(self, vendor: int, limit: int) -> int:
        """See `RelayStore.drop`."""
        deleted = self._delete("drop", vendor=vendor, limit=limit)
        if not deleted:
            with self._tables.changing():
                self._tables.run("forget_counts", vendor=vendor)
                self._tables.run("forget_contact", vendor=vendor)
        return deleted

    def due(self, vendor: int, now: int, limit: int) -> list[Send]:
        """See `RelayStore.due`."""
        with self._tables.reading():
            return self._tables.rows("due", Send, vendor=vendor, now=now, limit=limit)

    def claim(self, vendor: int, now: int, limit: int) -> list[Send]:
        """See `RelayStore.claim`."""
        counted = _Counted(self._tables)
        with self._tables.changing():
            sends = self._tables.rows("claim", Send, vendor=vendor, now=now, limit=limit)
            counted.move(vendor, "waiting", "sending", len(sends))
            counted.write()
        return sorted(sends, key=lambda send: send.id)

    def next_due(self, vendor: int) -> int | None:
        """See `RelayStore.next_due`."""
        with self._tables.reading():
            rows = self._tables.rows("next_due", _Number, vendor=vendor)
        return rows[0].number if rows else None

    def settle(self, vendor: int, settled: Sequence[Settled], now: int, *, claimed: bool) -> None:
        """See `RelayStore.settle`."""
        counted = _Counted(self._tables)
        expected: Status = "sending" if claimed else "waiting"
        # A feedback that was superseded or given up meanwhile, and was sent nonetheless, is evidence too.
        befores: tuple[Status, ...] = (expected, "superseded", "unknown")
        with self._tables.changing():
            for status in sorted({each.status for each in settled}):
                some = sorted((each for each in settled if each.status == status), key=lambda each: each.id)
                sent_at = None if status == "expired" else now
                values = [asdict(each) | {"sent_at": sent_at, "answered_at": now} for each in some]
                for before in befores if status == "sent" else befores[:1]:
                    changed = self._tables.run_many("settle", [each | {"before": before} for each in values])
                    counted.move(vendor, before, status, changed)
                    if changed == len(values):
                        break
            counted.write()

    def abandon(self, vendor: int) -> int:
        """See `RelayStore.abandon`."""
        counted = _Counted(self._tables)
        with self._tables.changing():
            abandoned = self._tables.run("abandon", vendor=vendor, reason=_UNKNOWN)
            counted.move(vendor, "sending", "unknown", abandoned)
            counted.write()
        return abandoned

    def note_contact(self, contact: Contact) -> None:
        """See `RelayStore.note_contact`."""
        with self._tables.changing():
            self._tables.run("note_contact", **asdict(contact))

    def contacts(self) -> dict[int, Contact]:
        """See `RelayStore.contacts`."""
        with self._tables.reading():
            return {row.vendor: row for row in self._tables.rows("contacts", Contact)}

    def counts(self) -> Mapping[int, Mapping[Status, int]]:
        """See `RelayStore.counts`."""
        with self._tables.reading():
            rows = self._tables.rows("counts", _Count)
        counts: dict[int, dict[Status, int]] = {}
        for row in rows:
            counts.setdefault(row.vendor, {})[row.status] = row.sends
        return counts

    def letters(self, vendor: int, limit: int) -> list[Evidence]:
        """See `RelayStore.letters`."""
        with self._tables.reading():
            return self._tables.rows("letters", Evidence, vendor=vendor, limit=limit)

    def retry(self, vendor: int, message_id: str | None, now: int) -> int:
        """See `RelayStore.retry`."""
        counted = _Counted(self._tables)
        total = 0
        with self._tables.changing():
            for before in LETTERS:
                values = {"vendor": vendor, "before": before, "message_id": message_id, "now": now}
                moved = self._tables.run("retry", **values, limit=MAX_LETTERS - total)
                counted.move(vendor, before, "waiting", moved)
                total += moved
            counted.write()
        return total

    def evidence(self, account: int, message_id: str) -> list[Evidence]:
        """See `RelayStore.evidence`."""
        with self._tables.reading():
            return self._tables.rows("evidence", Evidence, account=account, message_id=message_id)

    def stored(self, after: int, limit: int) -> list[StoredSend]:
        """See `RelayStore.stored`."""
        with self._tables.reading():
            return self._tables.rows("stored", StoredSend, after=after, limit=limit)

    def replace(self, position: int, sends: Iterable[Sequence[StoredSend]]) -> None:
        """See `RelayStore.replace`."""
        counted = _Counted(self._tables)
        with self._tables.changing():
            self._tables.run("restart", position=position)
            for table in ("sends", "counts", "contacts"):
                self._tables.run(f"clear_{table}")
            for some in sends:
                self._tables.run_many("store", [asdict(send) for send in some])
                for send in some:
                    counted.add(send.vendor, send.status, 1)
            counted.write()

    def close(self) -> None:
        """See `RelayStore.close`."""
        self._tables.close()

    def _add(self, vendor: int, sends: Sequence[NewSend], counted: _Counted) -> None:
        received: list[dict[str, SqlValue]] = [
            {"account": send.account, "message_id": send.message_id, "vendor": vendor}
            for send in sends
            if send.feedback == "received"
        ]
        self._tables.run_many("name", [asdict(send) for send in sends if send.vendor_message_id])
        befores: tuple[Status, ...] = ("waiting", "sending")
        for before in befores:
            values = [each | {"before": before} for each in received]
            counted.move(vendor, before, "superseded", self._tables.run_many("supersede", values))
        statuses: tuple[Status, ...] = ("waiting", "expired")
        for status in statuses:
            some = [
                asdict(send) | {"status": status}
                for send in sends
                if (send.until <= send.due_at) == (status == "expired")
            ]
            counted.add(vendor, status, self._tables.run_many("add", some))

    def _delete(self, name: str, **values: int) -> int:
        counted = _Counted(self._tables)
        with self._tables.changing():
            rows = self._tables.rows(name, _Row, **values)
            for row in rows:
                counted.add(row.vendor, row.status, -1)
            counted.write()
        return len(rows)
