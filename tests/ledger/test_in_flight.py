"""An engine that answers later: while a batch is committed, the next one is judged, and nothing gets lost."""

import asyncio
import random
from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from ledger.recount import contents, recount
from ledger.reports import ACCOUNTS, DAY, some_reports
from otpconv.errors import Unavailable
from otpconv.ledger import intake as intakes
from otpconv.ledger.intake import WORTH, Intake
from otpconv.ledger.journal_writer import JournalWriter
from otpconv.ledger.judge import Judgement
from otpconv.ledger.recent import Recent
from otpconv.model import Report, Requested, SelfReportedRate
from otpconv.storage.contract import Entry
from otpconv.storage.lookup import Lookup, Stored
from storage.engines import NOW, Engine, Storage


class Network:
    """A real storage behind a network: journal and ledger answer after some turns, each call after the other.

    Attributes:
        looked_up, appended: how many calls have begun.
        fails: the appends that fail, by their number from 1.
    """

    def __init__(self, storage: Storage, chance: random.Random) -> None:
        self._storage = storage
        self._chance = chance
        self._commits, self._questions = asyncio.Lock(), asyncio.Lock()
        self.looked_up = self.appended = 0
        self.fails: set[int] = set()
        self.committing = asyncio.Event()
        self.committing.set()

    async def append(self, entries: Sequence[Entry], recorded_at: int) -> int:
        self.appended += 1
        number = self.appended
        async with self._commits:
            await self._turns()
            if number in self.fails:
                raise Unavailable("The network is cut.")
            position = self._storage.journal.append(entries, recorded_at)
            await self.committing.wait()
            await self._turns()
        assert isinstance(position, int)
        return position

    async def confirm(self) -> None:
        async with self._commits:
            await self._turns()

    async def look_up(self, lookup: Lookup) -> Stored:
        self.looked_up += 1
        async with self._questions:
            await self._turns()
            stored = self._storage.ledger.look_up(lookup)
            await self._turns()
        assert isinstance(stored, Stored)
        return stored

    async def _turns(self) -> None:
        for _ in range(self._chance.randrange(4)):
            await asyncio.sleep(0)


def intake_of(storage: Storage, network: Network, *, strict: bool = False) -> Intake:
    writer = JournalWriter(network, lambda: network)  # type: ignore[arg-type, return-value]
    recent = Recent(storage.writer.cursor)
    return Intake(writer, network, recent, lambda: NOW, recorded=lambda *_: None, strict=strict)  # type: ignore[arg-type]


def batch(name: str) -> list[Entry]:
    return [Entry(Requested(1, f"{name} {n}", DAY)) for n in range(WORTH)]


async def until_quiet() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.parametrize("strict", [False, True])
def test_the_next_batch_is_judged_while_one_is_committed_unless_judging_is_strict(
    storage: Storage,
    strict: bool,  # noqa: FBT001
) -> None:
    async def main() -> None:
        network = Network(storage, random.Random(1))
        intake = intake_of(storage, network, strict=strict)
        network.committing.clear()
        waiting = []
        for name in "abc":
            waiting.append(intake.submit(batch(name)))
            await until_quiet()
        # One is committed, one waits for its commit, and the third is not yet judged.
        assert (network.looked_up, network.appended) == ((1, 1) if strict else (2, 2))
        assert not any(future.done() for future in waiting)
        network.committing.set()
        assert await asyncio.gather(*waiting) == [["recorded"] * WORTH] * 3

    asyncio.run(main())


def test_a_few_reports_wait_for_others_to_join_while_a_batch_is_committed(storage: Storage) -> None:
    async def main() -> None:
        network = Network(storage, random.Random(1))
        intake = intake_of(storage, network)
        network.committing.clear()
        waiting = [intake.submit(batch("a"))]
        await until_quiet()
        for n in range(WORTH - 1):
            waiting.append(intake.submit([Entry(Requested(1, f"{n}", DAY))]))
            await until_quiet()
        assert network.looked_up == 1
        network.committing.set()
        await asyncio.gather(*waiting)
        assert network.looked_up == 2

    asyncio.run(main())


def test_a_commit_that_fails_fails_nobody_else(storage: Storage) -> None:
    async def main() -> None:
        network = Network(storage, random.Random(1))
        intake = intake_of(storage, network)
        network.fails = {1}
        first = intake.submit(batch("a"))
        while not network.appended:  # noqa: ASYNC110 - a turn, not a time
            await asyncio.sleep(0)
        second = intake.submit(batch("a"))
        with pytest.raises(Unavailable):
            await first
        assert await second == ["recorded"] * WORTH
        assert await intake.submit(batch("a")) == ["unchanged"] * WORTH

    asyncio.run(main())


@settings(deadline=None, max_examples=rounds(300, at_least=15))
@given(some_reports, st.integers(0, 2**32))
def test_whatever_overlaps_all_that_is_acknowledged_is_in_the_ledger_and_is_seen_afterwards(
    engine: Engine, reports: list[Report], seed: int
) -> None:
    chance = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch, engine.open() as storage:
        patch.setattr(intakes, "WORTH", 1)
        accepted: list[Report] = []

        async def send(intake: Intake, report: Report) -> None:
            for _ in range(chance.randrange(30)):
                await asyncio.sleep(0)
            if chance.random() < 0.2:
                storage.writer.apply(chance.randrange(1, 9))
            judgements = await intake.submit([Entry(report)])
            if isinstance(judgements[0], str):
                accepted.append(report)
                # Whoever has the answer finds the report known, or in contradiction to another one.
                again: list[Judgement] = await intake.submit([Entry(report)])
                assert again[0] != "recorded" or isinstance(report, SelfReportedRate)

        async def main() -> None:
            intake = intake_of(storage, Network(storage, chance))
            await asyncio.gather(*map(partial(send, intake), reports * 2))

        asyncio.run(main())
        storage.apply_all()
        assert contents(storage.ledger, ACCOUNTS) == recount(accepted, ACCOUNTS)
