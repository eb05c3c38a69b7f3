"""A question waits for reports that were acknowledged before it, never for ever, and at little cost."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine

import pytest

from campaigns import rounds
from ledger.reports import DAY
from otpconv.errors import Unavailable
from otpconv.ledger import applier as applier_module, freshness as freshness_module
from otpconv.ledger.applier import Applier
from otpconv.ledger.freshness import Freshness
from otpconv.model import Requested
from otpconv.storage.contract import LedgerWriter
from storage.engines import Storage

PATIENCE_S = 20.0


class Failing:
    """A real writer whose storage can fail."""

    def __init__(self, writer: LedgerWriter) -> None:
        self._writer = writer
        self.failing = False
        self._applying = threading.Lock()

    def fail(self) -> None:
        """Fail from now on, once a batch in progress is applied."""
        with self._applying:
            self.failing = True

    def apply(self, limit: int) -> int:
        with self._applying:
            if self.failing:
                raise Unavailable("The disk is on fire.")
            return self._writer.apply(limit)

    def cursor(self) -> int:
        return self._writer.cursor()

    def close(self) -> None:
        self._writer.close()


class World:
    """An applier that works on a storage, and what waits for it."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.failing: list[Failing] = []
        self.applier = Applier(self.open, 0, measured=lambda *_: None)
        self.freshness = Freshness(self.applier)

    def open(self) -> LedgerWriter:
        self.failing.append(Failing(self.storage.new_ledger_writer()))
        return self.failing[-1]

    def append(self) -> int:
        position = self.storage.append(Requested(1, "a", DAY))
        self.applier.notify()
        return position

    def run(self, main: Callable[[], Coroutine[None, None, None]]) -> None:
        self.applier.start()
        try:
            asyncio.run(main())
        finally:
            for writer in self.failing:
                writer.failing = False
            self.applier.stop(PATIENCE_S)


@pytest.fixture
def world(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(applier_module, "RETRY_S", 0.02)
    return World(storage)


async def waited(freshness: Freshness, position: int) -> float:
    began = time.monotonic()
    await freshness.wait(position)
    return time.monotonic() - began


@pytest.mark.rounds
@pytest.mark.long("on PostgreSQL, each round takes several transactions")
def test_a_question_sees_each_report_that_was_acknowledged_before_it(world: World) -> None:
    async def main() -> None:
        for _ in range(rounds(200, at_least=50)):
            position = world.append()
            await world.freshness.wait(position)
            assert world.applier.applied >= position

    world.run(main)


def test_many_that_wait_are_released_together(world: World) -> None:
    async def main() -> None:
        for _ in range(5):
            positions = [world.append() for _ in range(20)]
            waits = [world.freshness.wait(position) for position in positions for _ in range(100)]
            await asyncio.gather(*waits)
            assert world.applier.applied >= positions[-1]

    world.run(main)


def test_nobody_waits_longer_than_the_bound(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness_module, "PATIENCE_S", 0.2)

    async def main() -> None:
        far = world.append() + 1_000
        took = await asyncio.gather(*(waited(world.freshness, far) for _ in range(50)))
        assert 0.2 <= min(took) <= max(took) < PATIENCE_S
        # One that gave up leaves the others alone.
        giving_up = asyncio.create_task(world.freshness.wait(far))
        await asyncio.sleep(0)
        giving_up.cancel()
        await world.freshness.wait(world.append())

    world.run(main)


def test_while_applying_fails_nobody_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness_module, "PATIENCE_S", 10 * PATIENCE_S)

    async def main() -> None:
        await world.freshness.wait(world.append())
        world.failing[0].fail()
        position = world.append()
        assert await waited(world.freshness, position) < PATIENCE_S
        assert world.applier.applied < position
        assert await waited(world.freshness, position) < PATIENCE_S

    world.run(main)


def test_a_stop_releases_all_that_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness_module, "PATIENCE_S", 10 * PATIENCE_S)

    async def main() -> None:
        far = world.append() + 1_000
        waits = [asyncio.create_task(waited(world.freshness, far)) for _ in range(50)]
        await asyncio.sleep(0.05)
        world.freshness.close()
        assert max(await asyncio.gather(*waits)) < PATIENCE_S
        assert await waited(world.freshness, far) < PATIENCE_S

    world.run(main)
