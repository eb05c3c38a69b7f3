"""The table of engines: a server runs on each of them, and on one that answers later."""

import asyncio
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import pytest

import postgresql
from ledger.reports import DAY
from otpconv.config import Settings, load
from otpconv.errors import Misconfigured
from otpconv.ledger.turns import Caller
from otpconv.model import Requested
from otpconv.service.compose import Service
from otpconv.service.engines import ENGINES, postgres_engine, without_password
from otpconv.service.opening import open_key_store
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


def record_and_ask(settings: Settings) -> None:
    """Let a server record reports, one of them twice, and answer a question."""
    reports = [Requested(1, f"message {n}", DAY) for n in range(3)]

    async def main() -> None:
        service = Service(settings)
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
        assert (await service.readiness.check()).problems == []
        await service.stop()

    asyncio.run(main())


def test_a_server_runs_on_an_engine_that_answers_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "sqlite", lambda settings: LateEngine(settings.data))
    record_and_ask(load(data=tmp_path / "data"))


def test_a_server_runs_on_postgresql(tmp_path: Path) -> None:
    with postgresql.new_database(postgresql.shared()) as url:
        settings = load(data=tmp_path / "data", ledger=url)
        with pytest.raises(Misconfigured, match="otpconv ledger init"):
            open_key_store(settings)
        assert postgres_engine(settings).create()
        record_and_ask(settings)
        record_and_ask(settings)  # a restart
        # A second node: the keys are the same ones, and no first key is made again.
        key = (tmp_path / "data/sealing.key").read_text().strip()
        other = load(data=tmp_path / "other", ledger=url, sealing_key=key)
        record_and_ask(other)
        assert not (tmp_path / "other/first-key").exists()
        assert not list((tmp_path / "other").glob("*.sqlite"))
        # With another sealing key it would not understand the secrets.
        with pytest.raises(Misconfigured, match="sealing key"):
            open_key_store(load(data=tmp_path / "third", ledger=url, sealing_key="00" * 32))


def test_a_default_server_loads_no_library_of_postgresql(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from otpconv.config import load;"
        "from otpconv.service.compose import Service; Service(load(data=Path(sys.argv[1])));"
        "print([name for name in sys.modules if 'psycopg' in name or 'postgres' in name])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    assert subprocess.check_output(command, text=True).strip() == "[]"  # noqa: S603 - our own interpreter


@pytest.mark.parametrize("url", ["mysql://u:sesame@h/d", "u:sesame@h/d", "postgresql:/u:sesame@h/d"])
def test_a_url_of_another_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Misconfigured, match="setting ledger: use a URL of PostgreSQL") as caught:
        load(ledger=url)
    assert "sesame" not in "".join(traceback.format_exception(caught.value))
    assert "sesame" not in repr(load(ledger="postgresql://u:sesame@h/d"))


@pytest.mark.parametrize("url", ["postgresql://u:sesame@h/d", "postgresql://u@h/d?password=sesame"])
def test_a_password_on_the_command_line_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="other users of this machine") as caught:
        without_password(url)
    assert "sesame" not in caught.value.text
    assert without_password("postgresql://u@h/d") == "postgresql://u@h/d"
    assert without_password(None) is None
