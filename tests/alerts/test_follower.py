"""The follower on a real storage: exact over restarts and take-overs, and no failure ends it."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typing_extensions import override

from campaigns import rounds
from cluster import wait_until
from otpconv.alerts.conversion import ConversionWatch
from otpconv.alerts.detectors import Detectors
from otpconv.alerts.follower import CATCH_UP, Follower
from otpconv.alerts.relaying import RelayFacts
from otpconv.config import load
from otpconv.errors import AnswerTooLarge, Unavailable
from otpconv.model import Dimensions, Requested
from otpconv.service.compose import Service
from otpconv.storage.alerts.contract import LASTING, AlertStore, Checkpoint, Event
from otpconv.storage.contract import MINUTE_MS, LedgerReader
from otpconv.storage.sqlite import SqliteEngine as SqliteStorage
from storage.engines import NOW, Engine, SqliteEngine, Storage

ACCOUNT = 1
START = NOW // MINUTE_MS * MINUTE_MS


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    with closing(SqliteEngine(tmp_path)) as made:
        yield made


class Clock:
    """The time now, which the test moves."""

    def __init__(self) -> None:
        self.now = START + 10_000

    def __call__(self) -> int:
        return self.now


#: The relay is late for half of so many minutes, again and again.
PERIOD = 12


def _late(now: int) -> list[RelayFacts]:
    minutes = (now - START) // MINUTE_MS % PERIOD
    late_ms = MINUTE_MS * 10 * (minutes < PERIOD // 2)
    return [RelayFacts("acme", paused=False, late_ms=late_ms, waiting=3, dead=0)]


def _follower(
    ledger: LedgerReader, store: AlertStore, clock: Clock, accounts: tuple[int, ...] = (ACCOUNT,)
) -> Follower:
    def detectors(_: int) -> Detectors:
        return Detectors(1.0, ConversionWatch, lambda: _late(clock() - 10_000))

    return Follower(ledger, store, lambda: accounts, detectors, clock)


def _message(storage: Storage, account: int = ACCOUNT) -> None:
    storage.record(Requested(account, "one", START, dimensions=Dimensions(country="DE", provider="acme")))


def _happened(store: AlertStore) -> list[tuple[str, int]]:
    events: list[Event] = store.events(0, 1_000)
    return [(event.happening, event.at) for event in events]


@pytest.mark.rounds
def test_restarts_and_take_overs_change_nothing(engine: Engine) -> None:
    """Of three followers, some look each minute, at once or one after the other, and some are new."""
    choose, minutes = random.Random(1), rounds(200, at_least=PERIOD + 4)
    with engine.open() as storage, engine.alerts() as open_store:
        _message(storage)
        store, clock = open_store(), Clock()
        followers = [_follower(storage.ledger, open_store(), clock) for _ in range(3)]
        for _ in range(minutes):
            if choose.random() < 0.2:
                followers[choose.randrange(3)] = _follower(storage.ledger, open_store(), clock)
            followers[choose.randrange(3)].step()
            followers[choose.randrange(3)].step()
            clock.now += MINUTE_MS
        # In a minute, both that looked may have lost: the next look makes up for it.
        _follower(storage.ledger, open_store(), clock).step()
        minutes += 1
        assert store.checkpoints() == {ACCOUNT: START + minutes * MINUTE_MS}
        # It is late, or in time, for three minutes in a row.
        changes = range(3, minutes + 1, PERIOD // 2)
        assert _happened(store) == [
            (("opened", "resolved")[place % 2], START + minute * MINUTE_MS)
            for place, minute in enumerate(changes)
        ]


def test_after_a_long_stop_only_the_last_minutes_are_looked_at_one_by_one(sqlite: Engine) -> None:
    with sqlite.open() as storage, sqlite.alerts() as open_store:
        _message(storage)
        store, clock = open_store(), Clock()
        _follower(storage.ledger, store, clock).step()
        clock.now += 5 * CATCH_UP * MINUTE_MS
        looks = []

        class Counted(Detectors):
            @override
            def look(self, now: int, source: object) -> list[object]:  # type: ignore[override]
                looks.append(now)
                return []

        Follower(
            storage.ledger, store, lambda: [ACCOUNT], lambda _: Counted(1.0, ConversionWatch), clock
        ).step()
        last = START + 5 * CATCH_UP * MINUTE_MS
        assert looks == [*range(last - CATCH_UP * MINUTE_MS, last + 1, MINUTE_MS)]
        assert store.checkpoints() == {ACCOUNT: last + MINUTE_MS}


def test_an_account_without_messages_costs_nothing(sqlite: Engine) -> None:
    with sqlite.open() as storage, sqlite.alerts() as open_store:
        store, clock = open_store(), Clock()
        _follower(storage.ledger, store, clock).step()
        assert store.checkpoints() == {}


def test_an_account_that_fails_delays_no_other(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite.open() as storage, sqlite.alerts() as open_store:
        _message(storage)
        _message(storage, 2)
        store, clock = open_store(), Clock()
        counts = type(storage.ledger).counts

        def failing(self: LedgerReader, account: int, *args: object, **named: object) -> object:
            if account == ACCOUNT:
                raise Unavailable("The disk is gone.")
            if clock.now > START + MINUTE_MS:
                raise AnswerTooLarge("There are too many groups.")
            return counts(self, account, *args, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(type(storage.ledger), "counts", failing)
        follower = _follower(storage.ledger, store, clock, (ACCOUNT, 2))
        for _ in range(5):
            follower.step()
            clock.now += MINUTE_MS
        assert store.checkpoints() == {2: START + 5 * MINUTE_MS}
        assert [record.message for record in caplog.records if "account 1" in record.message] == [
            "alerts: account 1 is not watched now: The disk is gone."
        ]
        assert any("a time of account 2 is left out" in record.message for record in caplog.records)
        monkeypatch.setattr(type(storage.ledger), "counts", counts)
        follower.step()
        assert store.checkpoints() == {ACCOUNT: START + 6 * MINUTE_MS, 2: START + 6 * MINUTE_MS}
        assert store.alerts(2, LASTING)


def test_a_checkpoint_that_another_process_moved_is_read_again(sqlite: Engine) -> None:
    with sqlite.open() as storage, sqlite.alerts() as open_store:
        _message(storage)
        store, clock = open_store(), Clock()
        follower = _follower(storage.ledger, store, clock)
        follower.step()
        store.record(ACCOUNT, START + MINUTE_MS, Checkpoint(START + 3 * MINUTE_MS, {}), [])
        for _ in range(5):
            clock.now += MINUTE_MS
            follower.step()
        assert store.checkpoints() == {ACCOUNT: START + 6 * MINUTE_MS}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that a server has used, with a message."""
    settings = load(data=tmp_path / "data")

    async def served() -> None:
        service = Service(settings)
        service.first_key_file()
        await service.start()
        at = service.clock()
        await service.intake.record([Requested(ACCOUNT, "one", at)])
        await service.stop()

    asyncio.run(served())
    return settings.data


def _process(data: Path) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "OTPCONV_DATA": str(data)}  # noqa: TID251 - of a child process
    words = [sys.executable, "-m", "otpconv.cli.alerting_process"]
    return subprocess.Popen(words, stdin=subprocess.PIPE, env=environment)  # noqa: S603 - our own command


def test_after_a_kill_another_process_goes_on_and_it_ends_with_its_input(data: Path) -> None:
    with closing(SqliteStorage(data).alerts()) as store:
        first = _process(data)
        wait_until(lambda: store.checkpoints() != {})
        second = _process(data)  # it waits for the first one
        first.send_signal(signal.SIGKILL)
        first.communicate()
        with closing(SqliteStorage(data).alerts()) as again:
            assert again.checkpoints() == store.checkpoints()
        assert second.poll() is None
        second.communicate(b"")
        assert second.returncode == 0
