"""An engine that answers later: while a batch is committed, the next one is judged, and nothing gets lost."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
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
from storage.engines import ALL, NOW, Engine, Storage


class Network:
    """A real storage behind a network: journal and ledger answer after some turns.

    An append first adds its entries, which everybody can read; they are durable when it answers.

    Attributes:
        at_once: how many appends there may be.
        looked_up, appended, confirmed: how many calls have begun.
        fails: the appends that fail, by their number from 1; their entries stay if it says so.
        durable: by the number of an append, whether it may answer; the others may.
        lost: how many entries a failover has lost, so that all positions are so much smaller.
    """

    def __init__(self, storage: Storage, chance: random.Random, at_once: int = 1) -> None:
        self._storage = storage
        self._chance = chance
        self.at_once = at_once
        self._commits, self._questions = asyncio.Semaphore(at_once), asyncio.Lock()
        self.looked_up = self.appended = self.confirmed = 0
        self.fails: dict[int, str] = {}
        self.durable: dict[int, asyncio.Event] = {}
        self.lost = 0

    async def append(self, entries: Sequence[Entry], recorded_at: int) -> int:
        self.appended += 1
        number = self.appended
        async with self._commits:
            await self._turns()
            if self.fails.get(number) == "before":
                raise Unavailable("The network is cut.")
            position = self._storage.journal.append(entries, recorded_at)
            if number in self.durable:
                await self.durable[number].wait()
            await self._turns()
            if number in self.fails:
                raise Unavailable("The network is cut, and whether they are recorded is unknown.")
        assert isinstance(position, int)
        return position - self.lost

    async def confirm(self) -> None:
        self.confirmed += 1
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


def intake_of(
    storage: Storage,
    network: Network,
    *,
    strict: bool = False,
    recorded: Callable[..., None] = lambda *_: None,
) -> Intake:
    writer = JournalWriter(network, lambda: network)  # type: ignore[arg-type, return-value]
    recent = Recent(storage.writer.cursor)
    return Intake(writer, network, recent, lambda: NOW, recorded=recorded, strict=strict)  # type: ignore[arg-type]


def batch(name: str, reports: int = WORTH) -> list[Entry]:
    return [Entry(Requested(1, f"{name} {n}", DAY)) for n in range(reports)]


async def until_quiet() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("strict", "at_once", "begun"), [(True, 3, (1, 1)), (False, 1, (2, 2)), (False, 3, (4, 4))]
)
def test_while_commits_are_on_their_way_one_more_batch_is_judged_unless_judging_is_strict(
    storage: Storage,
    strict: bool,  # noqa: FBT001
    at_once: int,
    begun: tuple[int, int],
) -> None:
    async def main() -> None:
        network = Network(storage, random.Random(1), at_once)
        intake = intake_of(storage, network, strict=strict)
        wait = asyncio.Event()
        network.durable = dict.fromkeys(range(1, 6), wait)
        waiting = []
        for name in "abcde":
            waiting.append(intake.submit(batch(name, 4 * WORTH)))
            await until_quiet()
        # The last one of them waits for its commit.
        assert (network.looked_up, network.appended) == begun
        assert not any(future.done() for future in waiting)
        wait.set()
        assert await asyncio.gather(*waiting) == [["recorded"] * 4 * WORTH] * 5

    asyncio.run(main())


@pytest.mark.parametrize("on_their_way", [1, 2])
def test_a_few_reports_wait_for_others_to_join_while_batches_are_committed(
    storage: Storage, on_their_way: int
) -> None:
    async def main() -> None:
        network = Network(storage, random.Random(1), 2)
        intake = intake_of(storage, network)
        wait = asyncio.Event()
        network.durable = {1: wait, 2: wait}
        waiting = []
        for name in "ab"[:on_their_way]:
            waiting.append(intake.submit(batch(name)))
            await until_quiet()
        for n in range(on_their_way * WORTH - 1):
            waiting.append(intake.submit([Entry(Requested(1, f"{n}", DAY))]))
            await until_quiet()
        assert network.looked_up == on_their_way
        wait.set()
        await asyncio.gather(*waiting)
        assert network.looked_up == on_their_way + 1

    asyncio.run(main())


def test_a_commit_that_fails_fails_nobody_else(storage: Storage) -> None:
    async def main() -> None:
        network = Network(storage, random.Random(1))
        intake = intake_of(storage, network)
        network.fails = {1: "before"}
        first = intake.submit(batch("a"))
        while not network.appended:  # noqa: ASYNC110 - a turn, not a time
            await asyncio.sleep(0)
        second = intake.submit(batch("a"))
        with pytest.raises(Unavailable):
            await first
        assert await second == ["recorded"] * WORTH
        assert await intake.submit(batch("a")) == ["unchanged"] * WORTH

    asyncio.run(main())


def test_what_can_be_read_before_it_is_durable_is_acknowledged_after_a_commit(storage: Storage) -> None:
    async def main() -> None:
        network = Network(storage, random.Random(1), 3)
        intake = intake_of(storage, network)
        network.durable[1], network.fails = asyncio.Event(), {1: "after"}
        first = intake.submit(batch("a"))
        await until_quiet()
        storage.apply_all()
        assert await intake.submit(batch("a")) == ["unchanged"] * WORTH
        assert network.confirmed == 1
        network.durable[1].set()
        with pytest.raises(Unavailable):
            await first

    asyncio.run(main())


def test_acknowledged_positions_grow_however_commits_end_and_begin_again_after_a_loss(
    storage: Storage,
) -> None:
    positions: list[int] = []

    async def main() -> None:
        network = Network(storage, random.Random(1), 2)
        intake = intake_of(storage, network, recorded=lambda upto, *_: positions.append(upto))
        network.durable[1] = asyncio.Event()
        first = intake.submit(batch("a"))
        await until_quiet()
        await intake.submit(batch("b"))
        network.durable[1].set()
        await first
        assert positions == [2 * WORTH, 2 * WORTH]
        network.lost = 2 * WORTH
        await intake.submit(batch("c"))
        assert positions[2:] == [WORTH]

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
        network = Network(storage, chance, chance.randrange(1, 5))
        network.fails = {n: chance.choice(["before", "after"]) for n in range(99) if chance.random() < 0.2}

        async def answer(intake: Intake, report: Report) -> Judgement:
            while True:
                with suppress(Unavailable):
                    return (await intake.submit([Entry(report)]))[0]

        async def send(intake: Intake, report: Report) -> None:
            for _ in range(chance.randrange(30)):
                await asyncio.sleep(0)
            if chance.random() < 0.2:
                storage.writer.apply(chance.randrange(1, 9))
            if isinstance(await answer(intake, report), str):
                accepted.append(report)
                # Whoever has the answer finds the report known, or in contradiction to another one.
                again = await answer(intake, report)
                assert again != "recorded" or isinstance(report, SelfReportedRate)

        async def main() -> None:
            await asyncio.gather(*map(partial(send, intake_of(storage, network)), reports * 2))

        asyncio.run(main())
        storage.apply_all()
        # Those whose commit failed may be there, too.
        facts = [entry.report for entry in storage.journal.read(0, ALL)]
        assert (
            contents(storage.ledger, ACCOUNTS)
            == recount(facts, ACCOUNTS)
            == recount(facts + accepted, ACCOUNTS)
        )
