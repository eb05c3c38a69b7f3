"""A second engine needs an entry in the table of engines, and nothing else: here one that answers later."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from ledger.reports import DAY
from otpconv.config import load
from otpconv.ledger.turns import Caller
from otpconv.model import Requested
from otpconv.service.compose import Service
from otpconv.service.engines import ENGINES
from otpconv.storage.contract import Entry
from otpconv.storage.lookup import Lookup, Stored
from otpconv.storage.sqlite import SqliteEngine, SqliteJournal, SqliteLedgerReader


class LateJournal(SqliteJournal):
    """Answers the event loop later, as an engine over a network does."""

    async def append(self, entries: Sequence[Entry], recorded_at: int) -> int:
        await asyncio.sleep(0)
        return super().append(entries, recorded_at)

    async def newest_report_time(self) -> int | None:
        await asyncio.sleep(0)
        return super().newest_report_time()

    async def oldest_time(self) -> int | None:
        await asyncio.sleep(0)
        return super().oldest_time()


class LateLookup(SqliteLedgerReader):
    """Likewise."""

    async def look_up(self, lookup: Lookup) -> Stored:
        await asyncio.sleep(0)
        return super().look_up(lookup)

    async def minutes_from(self) -> int:
        await asyncio.sleep(0)
        return super().minutes_from()


class LateEngine(SqliteEngine):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder

    def journal(self) -> LateJournal:
        return LateJournal(self._folder / "journal.sqlite")

    def ledger_lookup(self) -> LateLookup:
        return LateLookup(self._folder / "ledger.sqlite")


def test_a_server_runs_on_an_engine_that_answers_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "sqlite", lambda settings: LateEngine(settings.data))
    reports = [Requested(1, f"message {n}", DAY) for n in range(3)]

    async def main() -> None:
        service = Service(load(data=tmp_path / "data"))
        service.first_key_file()
        await service.start()
        judged = await service.intake.record([*reports, reports[0]])
        assert len(judged) == 4
        known, missing = await service.questions.ask(
            Caller(1, "key"),
            lambda ledger: {message.message_id for message in ledger.messages(1)},
            lambda found, lag: (found, lag),
        )
        assert (known, missing) == ({"message 0", "message 1", "message 2"}, 0)
        await service.stop()

    asyncio.run(main())
