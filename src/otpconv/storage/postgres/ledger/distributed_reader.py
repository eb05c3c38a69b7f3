"""Reads a ledger whose messages are on the workers of a Citus: each statement of a lookup reads one shard."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from otpconv.model import Conversion, MessageState, Requested
from otpconv.storage.buckets import BUCKETS, bucket_of
from otpconv.storage.postgres.database import Row, statements
from otpconv.storage.postgres.distribution.tables import over
from otpconv.storage.postgres.ledger.reader import PostgresLedgerReader
from otpconv.storage.postgres.ledger.rows import outline, state


class DistributedLedgerReader(PostgresLedgerReader):
    """Answers the same questions.

    Args:
        database: has the tables.
    """

    # typing.override is not in Python 3.11.
    statements = (
        PostgresLedgerReader.statements
        | statements("distribution/distribution.sql")
        | {
            "cursor": statements("distribution/working_set.sql")["stored_cursor"],
            "fellows": over("fellow_messages", PostgresLedgerReader.statements["fellows"]),
            "places": over("near_messages", PostgresLedgerReader.statements["places"]),
            "receipts_of": over("sharing_messages", PostgresLedgerReader.statements["receipts_of"]),
        }
    )

    def _states(  # type: ignore[explicit-override]
        self, account: int, ids: list[str]
    ) -> dict[str, MessageState]:
        rows = self._of_buckets("states", account, ids)
        return {message_id: state(account, message_id, columns) for message_id, *columns in rows}

    def _outlines(  # type: ignore[explicit-override]
        self, account: int, ids: list[str]
    ) -> dict[str, MessageState]:
        rows = self._of_buckets("outlines", account, ids)
        return {message_id: outline(*columns) for message_id, *columns in rows}

    def _of_buckets(self, name: str, account: int, ids: list[str]) -> Iterator[Row]:
        """Give the rows of a statement about messages, which runs once per bucket."""
        by_bucket: defaultdict[int, list[str]] = defaultdict(list)
        for message_id in ids:
            by_bucket[bucket_of(account, message_id)].append(message_id)
        values = [
            {"bucket": bucket, "account": account, "message_ids": its} for bucket, its in by_bucket.items()
        ]
        return chain.from_iterable(self._each(name, values))

    def _by_number(  # type: ignore[explicit-override]
        self, conversions: Sequence[Conversion]
    ) -> tuple[dict[Conversion, Requested], set[Conversion]]:
        if not conversions:
            return {}, set()
        numbers = [bytes.fromhex(each.number) for each in conversions]
        values = [
            {
                "bucket": number[0] % BUCKETS,
                "account": conversion.account,
                "number": number,
                "at": conversion.conversion_time,
            }
            for conversion, number in zip(conversions, numbers, strict=True)
        ]
        found: defaultdict[int, dict[Conversion, str]] = defaultdict(dict)
        for conversion, rows in zip(conversions, self._each("message_of_number", values), strict=True):
            for (message_id,) in rows:
                found[conversion.account][conversion] = message_id
        owners: dict[Conversion, Requested] = {}
        for account, named in found.items():
            states = self._states(account, [*dict.fromkeys(named.values())])
            for conversion, message_id in named.items():
                message = states.get(message_id)
                if message is not None and message.requested is not None:
                    owners[conversion] = message.requested
        every = {
            "accounts": [each.account for each in conversions],
            "numbers": numbers,
            "times": [each.conversion_time for each in conversions],
            "delivered": [each.delivered for each in conversions],
        }
        return owners, {conversions[place - 1] for (place,) in self._rows("known_conversions", every)}

    def _each(self, name: str, values: Sequence[Mapping[str, Any]]) -> list[list[Row]]:
        """Return the rows of a statement for each of some values."""
        if len(values) == 1:
            return [self._rows(name, values[0])]
        return self._snapshots.rows_of_each(name, values)
