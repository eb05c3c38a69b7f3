"""Reading the ledger in PostgreSQL: any thread, each snapshot on a connection from a bounded pool."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec

from otpconv.model import Conversion, MessageState, Requested, SelfReportedRate
from otpconv.storage import deadline, erasable, ranges, recorded
from otpconv.storage.buckets import bucket_of
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
from otpconv.storage.postgres.database import Connection, Database, Row, statements
from otpconv.storage.postgres.ledger import windows
from otpconv.storage.postgres.ledger.rows import outline, places, receipts as receipts_of
from otpconv.storage.postgres.ledger.snapshots import Snapshots
from otpconv.storage.range_counts import MAX_DAY_RANGES, MAX_RANGES, RangeCount

#: Messages fetched at once for an export.
_FETCHED = 1_000
#: Where the delays begin in the sums of counts.
_DELAYS = len(Tally.__struct_fields__)
_STATE = msgspec.json.Decoder(MessageState)
_STATES = msgspec.json.Decoder(dict[str, MessageState])


class PostgresLedgerReader:
    """Answers questions from the ledger that a `PostgresLedgerWriter` writes.

    Args:
        database: has the tables.

    Attributes:
        statements: by their names.
    """

    statements = statements("ledger/queries.sql") | statements("ledger/erasable.sql") | windows.STATEMENTS

    def __init__(self, database: Database) -> None:
        self._database = database
        self._snapshots = Snapshots(database, self.statements)

    @contextmanager
    def snapshot(self) -> Iterator[int]:
        """Show the calling thread one state of the ledger until the context ends; give its position."""
        if self._snapshots.shown is not None:
            yield self._snapshots.shown.position
            return
        with deadline.within(SNAPSHOT_S), self._snapshots.show() as shown:
            yield shown.position

    def look_up(self, lookup: Lookup) -> Stored:
        """Return what the ledger holds about a batch of reports; see `LookupOnThread`."""
        count = len(lookup.states) + len(lookup.outlines) + len(lookup.receipts)
        is_one_statement = not lookup.by_number and count == 1
        with self._snapshots.one_statement() if is_one_statement else self.snapshot() as position:
            owners, known = self._by_number(list(lookup.by_number))
            return Stored(
                states={of: self._states(of, list(ids)) for of, ids in lookup.states.items()},
                outlines={of: self._outlines(of, list(ids)) for of, ids in lookup.outlines.items()},
                owners=owners,
                conversions=known,
                receipts={of: receipts_of(self._rows, of, list(ids)) for of, ids in lookup.receipts.items()},
                position=position,
            )

    def message(self, account: int, message_id: str) -> Message | None:
        """Return one message."""
        values = {"bucket": bucket_of(account, message_id), "account": account, "message_id": message_id}
        with self.snapshot():
            return next(iter(self._messages(account, self._rows("message", values))), None)

    def messages(self, account: int) -> Iterator[Message]:
        """Return all messages in the order of their first reports in the journal; for exports."""
        if self._snapshots.shown is not None:
            yield from self._all(self._snapshots.shown.connection, account)
            return
        # Not shown to the thread: it may ask other questions between two messages.
        with self._snapshots.open() as opened:
            yield from self._all(opened.connection, account)

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
        of = "counts" if delays else "tallies"
        with deadline.within(SNAPSHOT_S), self._snapshots.show() as shown:
            rows = shown.windows.sums(of, account, window, by=by, filters=filters, limit=limit)
        return [Count(slot, group, Tally(*sums[:_DELAYS]), sums[_DELAYS:]) for slot, group, sums in rows]

    def costs(
        self,
        account: int,
        window: Window,
        by: Sequence[str],
        filters: Mapping[str, Collection[str]],
        limit: int = MAX_COUNTS,
    ) -> list[CostCount]:
        """Sum the costs of the messages of a window by dimensions and currency."""
        with deadline.within(SNAPSHOT_S), self._snapshots.show() as shown:
            rows = shown.windows.sums("costs", account, window, by=by, filters=filters, limit=limit)
        return [CostCount(slot, group, *sums) for slot, group, sums in rows]

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
        return [Count(0, row[1:3], Tally(*row[3:]), ()) for row in rows]

    def folded(self, account: int, start: int, end: int) -> int:
        """Return how many messages of the days that [start, end), ms, touches are counted as `OTHER`."""
        return self._number("folded", account=account, start=start, end=end)

    def minutes_from(self) -> int:
        """Return from when on (ms, a whole minute) rollups by minute are kept."""
        with self._snapshots.show() as shown:
            return shown.minutes_from

    def messages_from(self) -> int:
        """Return the time (ms) before which all messages were deleted; 0 if they never were."""
        return self._number("messages_from")

    def unmatched(self, account: int) -> int:
        """Return how many messages and numbers have conversions that no known message explains."""
        return self._number("unmatched", account=account)

    def self_reported(self, account: int, start: int, end: int) -> list[SelfReportedRate]:
        """Return the newest rates the account reported of itself in [start, end), ms, oldest first."""
        window = {"account": account, "start": start, "end": end, "most": MAX_SELF_REPORTED}
        return [SelfReportedRate(account, *row) for row in reversed(self._rows("self_reported", window))]

    def count_self_reported(self, account: int, start: int, end: int) -> int:
        """Return how many rates the account reported of itself in [start, end), ms; `MAX_COUNTED` if more."""
        return self._number("count_self_reported", account=account, start=start, end=end, most=MAX_COUNTED)

    def messages_of_number(self, account: int, number: str, limit: int) -> list[Message]:
        """Return the newest messages to a number, newest first."""
        with self.snapshot():
            return self._messages(account, erasable.newest_of(self._rows, account, number, limit))

    def recorded(self, account: int, window: Span, before: int, most: int) -> RecordedPart:
        """Return messages that were requested in a window, the last recorded first."""
        with self.snapshot():
            part = recorded.part(self._rows, account, window, before, most)
            messages = self._messages(account, [row[1:] for row in part.rows])
        return RecordedPart(list(zip((row[0] for row in part.rows), messages, strict=True)), part.before)

    def old_messages(self, before: int, after: int) -> Candidates:
        """Return the erasure of the next messages requested before a time."""
        with self.snapshot() as cursor:
            return erasable.old_messages(self._rows, cursor, before, after)

    def erasure_of(self, account: int, number: str) -> Erasure:
        """Return the erasure of some messages to a number, and of everything else about it."""
        with self.snapshot() as cursor:
            return erasable.messages_of(self._rows, cursor, account, number)

    def close(self) -> None:
        """Close the idle connections; a snapshot in another thread goes on."""
        self._snapshots.close()

    def _all(self, connection: Connection, account: int) -> Iterator[Message]:
        with self._database.mapped(), connection.cursor(f"messages{id(self)}") as cursor:
            (text,) = self.statements["all_messages"]
            cursor.execute(text, {"account": account})
            while rows := cursor.fetchmany(_FETCHED):
                yield from self._messages(account, rows, partial(self._snapshots.rows_on, connection))

    def _messages(self, account: int, rows: Sequence[Row], run: erasable.Run | None = None) -> list[Message]:
        """Return the messages of some rows of `message_states`, with their receipts of the same snapshot."""
        named = [row[4] for row in rows if row[4] is not None]
        receipts = receipts_of(run or self._rows, account, named) if named else {}
        return [
            Message(row[0], _STATE.decode(row[1]), row[2], bool(row[3]), receipts.get(row[4])) for row in rows
        ]

    def _by_number(
        self, conversions: Sequence[Conversion]
    ) -> tuple[dict[Conversion, Requested], set[Conversion]]:
        """Return the messages that conversions by number alone are about, and which are in the ledger."""
        if not conversions:
            return {}, set()
        values: dict[str, Any] = {
            "accounts": [each.account for each in conversions],
            "numbers": [bytes.fromhex(each.number) for each in conversions],
            "times": [each.conversion_time for each in conversions],
            "delivered": [each.delivered for each in conversions],
        }
        owners: dict[Conversion, Requested] = {}
        known: set[Conversion] = set()
        for place, state, is_known in self._rows("by_number", values):
            conversion = conversions[place - 1]
            message = _STATE.decode(state).requested if state is not None else None
            if message is not None:
                owners[conversion] = message
            if is_known:
                known.add(conversion)
        return owners, known

    def _states(self, account: int, ids: list[str]) -> dict[str, MessageState]:
        ((states,),) = self._rows("states", places(account, ids))
        return _STATES.decode(states)

    def _outlines(self, account: int, ids: list[str]) -> dict[str, MessageState]:
        return {
            ids[place - 1]: outline(*columns)
            for place, *columns in self._rows("outlines", places(account, ids))
        }

    def _number(self, name: str, **values: int) -> int:
        ((number,),) = self._rows(name, values)
        return int(number)

    def _rows(self, name: str, values: Mapping[str, Any]) -> list[Row]:
        return self._snapshots.rows(name, values)
