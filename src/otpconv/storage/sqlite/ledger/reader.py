"""Reading the ledger's file: any thread, each with a connection of its own, none waits for the applier."""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import msgspec

from otpconv.errors import Unavailable
from otpconv.model import Conversion, MessageState, Requested, SelfReportedRate
from otpconv.receipts import ReceiptState
from otpconv.storage import deadline, erasable, grains, ranges, recorded
from otpconv.storage.contract import (
    MAX_COUNTED,
    MAX_COUNTS,
    MAX_SELF_REPORTED,
    SNAPSHOT_S,
    CostCount,
    Count,
    Message,
    RecordedPart,
    Span,
    Tally,
    Window,
)
from otpconv.storage.erasure import Candidates, Erasure, RangeLength
from otpconv.storage.lookup import Lookup, Stored
from otpconv.storage.range_counts import MAX_DAY_RANGES, MAX_RANGES, RangeCount
from otpconv.storage.sqlite.connection import connect_reader, mapped, statements
from otpconv.storage.sqlite.ledger.groups import Combinations
from otpconv.storage.statements import SqlValue

_SQL = statements("ledger/queries.sql") | statements("ledger/erasable.sql")
#: Steps of SQLite's machine from one look at the clock to the next: some 10 ms.
_STEPS = 1_000_000

#: A row as SQLite gives it; the statement decides its columns.
_Row = tuple[Any, ...]
#: Where the delays begin in a row of counts: after slot, group and tally.
_DELAYS = 2 + len(Tally.__struct_fields__)
_STATE = msgspec.json.Decoder(MessageState)
_STATES = msgspec.json.Decoder(dict[str, MessageState])
_RECEIPT = msgspec.json.Decoder(ReceiptState | None)
_RECEIPTS = msgspec.json.Decoder(dict[str, ReceiptState])


class SqliteLedgerReader:
    """Answers questions from the file that a `SqliteLedgerWriter` has made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.local()

    @contextmanager
    def snapshot(self) -> Iterator[int]:
        """Show the calling thread one state of the file until the context ends; give its journal position."""
        connection = self._connection()
        nested = connection.in_transaction
        if nested:
            yield self._cursor()
            return
        with mapped(self._path):
            connection.execute("BEGIN")
        self._threads.combinations = Combinations(self._combinations)
        try:
            with deadline.within(SNAPSHOT_S):
                # The first statement decides which state it is.
                yield self._cursor()
        finally:
            del self._threads.combinations
            with mapped(self._path):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def look_up(self, lookup: Lookup) -> Stored:
        """See `LedgerLookup.look_up`."""
        return Stored(
            states={account: self._states("states", account, ids) for account, ids in lookup.states.items()},
            outlines={
                account: self._states("outlines", account, ids) for account, ids in lookup.outlines.items()
            },
            owners={
                conversion: message
                for conversion in lookup.by_number
                if (message := self._owner(conversion)) is not None
            },
            conversions={conversion for conversion in lookup.by_number if self._has_conversion(conversion)},
            receipts={account: self._receipts(account, ids) for account, ids in lookup.receipts.items()},
        )

    def message(self, account: int, message_id: str) -> Message | None:
        """Return one message."""
        rows = self._rows("message", {"account": account, "message_id": message_id})
        return _message(rows[0]) if rows else None

    def messages(self, account: int) -> Iterator[Message]:
        """Return all messages in the order of their first reports in the journal; for exports."""
        with mapped(self._path):
            for row in self._connection().execute(_SQL["all_messages"], {"account": account}):
                yield _message(row)

    def counts(
        self,
        account: int,
        window: Window,
        by: Sequence[str],
        filters: Mapping[str, Collection[str]],
        *,
        delays: bool = True,
        limit: int = MAX_COUNTS,
    ) -> list[Count]:
        """Sum the rollups of a window by dimensions; `filters` holds the accepted values of a dimension."""
        with self.snapshot():
            bindings, values = self._groups(account, window, by, filters)
            bindings["limit"] = limit + 1
            if window.step is None and len(values) == 1:
                rows = self._rows("counts_of_one" if delays else "tallies_of_one", bindings)
            else:
                rows = self._rows("counts" if delays else "tallies", bindings | {"step": window.step})
        grains.require_room(len(rows), limit)
        return [
            Count(row[0], values[int.from_bytes(row[1]) - 1], Tally(*row[2:_DELAYS]), row[_DELAYS:])
            for row in rows
        ]

    def costs(
        self,
        account: int,
        window: Window,
        by: Sequence[str],
        filters: Mapping[str, Collection[str]],
        limit: int = MAX_COUNTS,
    ) -> list[CostCount]:
        """Sum the costs of the messages of a window by dimensions and currency."""
        with self.snapshot():
            bindings, values = self._groups(account, window, by, filters)
            rows = self._rows("costs", bindings | {"step": window.step, "limit": limit + 1})
        grains.require_room(len(rows), limit)
        return [CostCount(row[0], values[int.from_bytes(row[1]) - 1], *row[2:]) for row in rows]

    def ranges(
        self,
        account: int,
        start: int,
        end: int,
        *,
        countries: Collection[str] | None = None,
        limit: int = MAX_RANGES,
    ) -> list[RangeCount]:
        """Return the number ranges that had messages in some hours, those with the most messages first."""
        return ranges.of_window(self._rows, account, (start, end), countries, limit)

    def range_lengths(self, most: int = MAX_DAY_RANGES) -> tuple[RangeLength, ...]:
        """Return by how much to shorten the ranges of days that have more than `most` rollups by range."""
        return ranges.lengths(self._rows, most)

    def routes(self, account: int, most: int) -> list[Count]:
        """Return all messages by provider and country, the `most` largest routes, then the others as one."""
        rows = self._rows("routes", {"account": account, "most": most})
        return [Count(0, (row[0], row[1]), Tally(row[2], row[3]), ()) for row in rows]

    def folded(self, account: int, start: int, end: int) -> int:
        """Return how many messages of the days that [start, end), ms, touches are counted as `OTHER`."""
        folded: int = self._rows("folded", {"account": account, "start": start, "end": end})[0][0]
        return folded

    def minutes_from(self) -> int:
        """Return from when on (ms, a whole minute) rollups by minute are kept."""
        minutes_from: int = self._rows("minutes_from", {})[0][0]
        return minutes_from

    def unmatched(self, account: int) -> int:
        """Return how many messages and numbers have conversions that no known message explains."""
        unmatched: int = self._rows("unmatched", {"account": account})[0][0]
        return unmatched

    def self_reported(self, account: int, start: int, end: int) -> list[SelfReportedRate]:
        """Return the newest rates the account reported of itself in [start, end), ms, oldest first."""
        window = {"account": account, "start": start, "end": end, "most": MAX_SELF_REPORTED}
        return [SelfReportedRate(account, *row) for row in reversed(self._rows("self_reported", window))]

    def count_self_reported(self, account: int, start: int, end: int) -> int:
        """Return how many rates the account reported of itself in [start, end), ms; `MAX_COUNTED` if more."""
        window = {"account": account, "start": start, "end": end, "most": MAX_COUNTED}
        count: int = self._rows("count_self_reported", window)[0][0]
        return count

    def messages_from(self) -> int:
        """See `LedgerLookup.messages_from`."""
        messages_from: int = self._rows("messages_from", {})[0][0]
        return messages_from

    def messages_of_number(self, account: int, number: str, limit: int) -> list[Message]:
        """Return the newest messages to a number, newest first."""
        with self.snapshot():
            return [_message(row) for row in erasable.newest_of(self._rows, account, number, limit)]

    def recorded(self, account: int, window: Span, before: int, most: int) -> RecordedPart:
        """Return messages that were requested in a window, the last recorded first."""
        with self.snapshot():
            part = recorded.part(self._rows, account, window, before, most)
        return RecordedPart([(row[0], _message(row[1:])) for row in part.rows], part.before)

    def old_messages(self, before: int, after: int) -> Candidates:
        """Return the erasure of the next messages requested before a time."""
        with self.snapshot() as cursor:
            return erasable.old_messages(self._rows, cursor, before, after)

    def erasure_of(self, account: int, number: str) -> Erasure:
        """Return the erasure of some messages to a number, and of everything else about it."""
        with self.snapshot() as cursor:
            return erasable.messages_of(self._rows, cursor, account, number)

    def close(self) -> None:
        """Close the calling thread's connection; the others close with their threads."""
        if hasattr(self._threads, "connection"):
            self._threads.connection.close()
            del self._threads.connection

    def _groups(
        self, account: int, window: Window, by: Sequence[str], filters: Mapping[str, Collection[str]]
    ) -> tuple[dict[str, SqlValue], list[tuple[str, ...]]]:
        """Return how a statement finds the rollups of a window and their groups, and the groups' values."""
        spans = grains.spans(window, self.minutes_from)
        known: Combinations = self._threads.combinations
        times = [(start, end) for _, start, end in spans]
        first, numbers, values = known.groups(account, times, by, filters)
        return {"account": account, "spans": _json(spans), "first": first, "groups": numbers}, values

    def _combinations(self, account: int, spans: Sequence[Span]) -> list[_Row]:
        bindings: dict[str, SqlValue] = {"account": account, "spans": _json([(0, *span) for span in spans])}
        return self._rows("dimensions", bindings)

    def _connection(self) -> apsw.Connection:
        if not hasattr(self._threads, "connection"):
            self._threads.connection = connect_reader(self._path)
            self._threads.connection.set_progress_handler(deadline.is_over, _STEPS)
        connection: apsw.Connection = self._threads.connection
        return connection

    def _cursor(self) -> int:
        cursor: int = self._rows("cursor", {})[0][0]
        return cursor

    def _owner(self, conversion: Conversion) -> Requested | None:
        """Return the message that a conversion known by number alone is about."""
        at = conversion.conversion_time
        rows = self._rows("newest", {"account": conversion.account, "number": conversion.number, "at": at})
        return _STATE.decode(rows[0][0]).requested if rows else None

    def _has_conversion(self, conversion: Conversion) -> bool:
        """Return whether this very conversion, known by number alone, is in the ledger."""
        bindings: dict[str, SqlValue] = {
            "account": conversion.account,
            "number": conversion.number,
            "conversion_time": conversion.conversion_time,
            "delivered": conversion.delivered,
        }
        return bool(self._rows("heard", bindings))

    def _states(self, name: str, account: int, message_ids: Collection[str]) -> dict[str, MessageState]:
        (row,) = self._rows(name, {"account": account, "message_ids": _json(list(message_ids))})
        return _STATES.decode(row[0])

    def _receipts(self, account: int, ids: Collection[str]) -> dict[str, ReceiptState]:
        (row,) = self._rows("receipts", {"account": account, "ids": _json(list(ids))})
        return _RECEIPTS.decode(row[0])

    def _rows(self, name: str, bindings: Mapping[str, SqlValue]) -> list[_Row]:
        with mapped(self._path):
            connection = self._connection()
            with suppress(apsw.InterruptError):
                deadline.check()
                return connection.execute(_SQL[name], bindings).fetchall()
        deadline.check()
        raise Unavailable("The question was interrupted; ask again.")


def _message(row: _Row) -> Message:
    return Message(row[0], _STATE.decode(row[1]), row[2], bool(row[3]), _RECEIPT.decode(row[4]))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
