"""Reads a ledger whose messages are on the workers of a Citus: each statement of a lookup reads one shard."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from otpconv.model import Conversion, MessageState, Requested
from otpconv.storage.buckets import BUCKETS, bucket_of
from otpconv.storage.postgres.database import Row, statements
from otpconv.storage.postgres.distribution.tables import over
from otpconv.storage.postgres.ledger.reader import PostgresLedgerReader
from otpconv.storage.postgres.ledger.rows import outline

_STATES: Final = msgspec.json.Decoder(dict[str, MessageState])


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
            "places": over("near_messages", PostgresLedgerReader.statements["places"]),
            "receipts_of": over("sharing_messages", PostgresLedgerReader.statements["receipts_of"]),
        }
    )

    def _states(  # type: ignore[explicit-override]
        self, account: int, ids: list[str]
    ) -> dict[str, MessageState]:
        states: dict[str, MessageState] = {}
        for (found,) in self._of_buckets("states", account, ids):
            states |= _STATES.decode(found)
        return states

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
        for bucket, its in by_bucket.items():
            yield from self._rows(name, {"bucket": bucket, "account": account, "message_ids": its})

    def _by_number(  # type: ignore[explicit-override]
        self, conversions: Sequence[Conversion]
    ) -> tuple[dict[Conversion, Requested], set[Conversion]]:
        owners: dict[Conversion, Requested] = {}
        known: set[Conversion] = set()
        for conversion in conversions:
            number = bytes.fromhex(conversion.number)
            values = {
                "bucket": number[0] % BUCKETS,
                "account": conversion.account,
                "number": number,
                "at": conversion.conversion_time,
                "delivered": conversion.delivered,
            }
            for (message_id,) in self._rows("message_of_number", values):
                state = self._states(conversion.account, [message_id]).get(message_id)
                if state is not None and state.requested is not None:
                    owners[conversion] = state.requested
            ((is_known,),) = self._rows("is_known", values)
            if is_known:
                known.add(conversion)
        return owners, known
