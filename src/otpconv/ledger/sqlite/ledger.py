"""Reading the ledger's file: any thread, each with a connection of its own, none waits for the applier."""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec

from otpconv.ledger.contract import (
    DAY_MS,
    DIMENSIONS,
    HOUR_MS,
    MINUTE_MS,
    Count,
    DelayCount,
    Message,
    Tally,
    Window,
)
from otpconv.ledger.sqlite.connection import Value, connect_reader, mapped, statements
from otpconv.model import Conversion, MessageState, Requested, SelfReportedRate

_SQL = statements("queries.sql")
_SQL |= {name: _SQL["chosen"] + _SQL[name] for name in ("counts", "delays")}

#: A row as SQLite gives it; the statement says what is in it.
_Row = tuple[Any, ...]
_STATE = msgspec.json.Decoder(MessageState)
_DELAYS_OF = msgspec.json.Decoder(tuple[int, ...])
_STATES = msgspec.json.Decoder(dict[str, MessageState])


class SqliteLedger:
    """Answers questions from the file that a `SqliteFollower` has made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.local()

    def states(self, account: int, message_ids: Collection[str]) -> dict[str, MessageState]:
        """Return the states of those of the messages that are known, by what was reported by their id."""
        return self._states("states", account, message_ids)

    def outlines(self, account: int, message_ids: Collection[str]) -> dict[str, MessageState]:
        """Return `states` in short, for checking conversions: of each request its time and number alone."""
        return self._states("outlines", account, message_ids)

    def newest(self, account: int, number: str, at: int) -> Requested | None:
        """Return the message that a conversion known by `number` alone, at the time `at` (ms), is about."""
        rows = self._rows("newest", {"account": account, "number": number, "at": at})
        return _STATE.decode(rows[0][0]).requested if rows else None

    def heard(self, conversion: Conversion) -> bool:
        """Tell whether this very conversion, known by number alone, is known."""
        return bool(
            self._rows(
                "heard",
                {
                    "account": conversion.account,
                    "number": conversion.number,
                    "conversion_time": conversion.conversion_time,
                    "delivered": conversion.delivered,
                },
            )
        )

    def message(self, account: int, message_id: str) -> Message | None:
        """Return one message."""
        rows = self._rows("message", {"account": account, "message_id": message_id})
        return _message(rows[0]) if rows else None

    def messages(self, account: int) -> Iterator[Message]:
        """Return all messages, those of a later `apply` after those of an earlier one; for exports."""
        with mapped(self._path):
            for row in self._connection().execute(_SQL["all_messages"], {"account": account}):
                yield _message(row)

    def counts(
        self, account: int, window: Window, by: Sequence[str], filters: Mapping[str, Collection[str]]
    ) -> list[Count]:
        """Sum the rollups of a window by dimensions; `filters` holds the accepted values of a dimension."""
        return [
            Count(slot, group, Tally(*sums))
            for slot, group, sums in self._summed("counts", account, window, by, filters)
        ]

    def delays(
        self, account: int, window: Window, by: Sequence[str], filters: Mapping[str, Collection[str]]
    ) -> list[DelayCount]:
        """Sum how long it took to verify, as `counts` sums what was verified."""
        return [
            DelayCount(slot, group, _DELAYS_OF.decode(sums[0]))
            for slot, group, sums in self._summed("delays", account, window, by, filters)
        ]

    def minutes_from(self) -> int:
        """Return from when on (ms, a whole minute) rollups by minute are kept."""
        minutes_from: int = self._rows("minutes_from", {})[0][0]
        return minutes_from

    def unmatched(self, account: int) -> int:
        """Return how many messages and numbers have conversions that no known message explains."""
        unmatched: int = self._rows("unmatched", {"account": account})[0][0]
        return unmatched

    def self_reported(self, account: int, start: int, end: int) -> list[SelfReportedRate]:
        """Return the rates the account reported of itself in [start, end), ms, oldest first."""
        rows = self._rows("self_reported", {"account": account, "start": start, "end": end})
        return [SelfReportedRate(account, time, rate) for time, rate in rows]

    def close(self) -> None:
        """Close the calling thread's connection; the others close with their threads."""
        if hasattr(self._threads, "connection"):
            self._threads.connection.close()
            del self._threads.connection

    def _connection(self) -> apsw.Connection:
        if not hasattr(self._threads, "connection"):
            self._threads.connection = connect_reader(self._path)
        connection: apsw.Connection = self._threads.connection
        return connection

    def _states(self, name: str, account: int, message_ids: Collection[str]) -> dict[str, MessageState]:
        (row,) = self._rows(name, {"account": account, "message_ids": _json(list(message_ids))})
        return _STATES.decode(row[0])

    def _summed(
        self,
        name: str,
        account: int,
        window: Window,
        by: Sequence[str],
        filters: Mapping[str, Collection[str]],
    ) -> Iterator[tuple[int, tuple[str, ...], _Row]]:
        """Return slots, groups and what they come to."""
        spans = [(DAY_MS, *span) for span in window.days]
        spans += [(HOUR_MS, *span) for span in window.hours]
        spans += [(MINUTE_MS, *span) for span in window.minutes]
        bindings: dict[str, Value] = {"account": account, "step": window.step, "spans": _json(spans)}
        for each in DIMENSIONS:
            accepted = filters.get(each)
            bindings[each] = None if accepted is None else _json(list(accepted))
            bindings[f"by_{each}"] = each in by
        places = [1 + DIMENSIONS.index(each) for each in by]
        for row in self._rows(name, bindings):
            yield row[0], tuple([row[place] for place in places]), row[1 + len(DIMENSIONS) :]

    def _rows(self, name: str, bindings: Mapping[str, Value]) -> list[_Row]:
        with mapped(self._path):
            return self._connection().execute(_SQL[name], bindings).fetchall()


def _message(row: _Row) -> Message:
    return Message(row[0], _STATE.decode(row[1]), row[2], bool(row[3]))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
