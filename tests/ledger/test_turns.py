"""Turns at a few slots: who comes next, who is refused, and that no slot is ever lost."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from campaigns import rounds
from otpconv.errors import Throttled, Unavailable
from otpconv.ledger import turns
from otpconv.ledger.turns import MAX_WAITING, MAX_WAITING_EACH, Caller, Turns

A, B, C = (Caller(account, "key") for account in (1, 2, 3))


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


class Crowd:
    """Callers at a few slots.

    Attributes:
        served: whose turns began, in this order.
        refused: those that got none, and why.
    """

    def __init__(self, slots: int) -> None:
        self.turns = Turns(slots)
        self.served: list[Caller] = []
        self.refused: list[tuple[Caller, type[Exception]]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._at_work: set[asyncio.Task[None] | None] = set()
        self._done: list[tuple[Caller, asyncio.Event]] = []

    async def come(self, caller: Caller, count: int = 1) -> None:
        """Let a caller ask for turns, which last until `finish`."""
        for _ in range(count):
            self.tasks.append(asyncio.ensure_future(self._work(caller)))
            await settle()

    async def finish(self, caller: Caller | None = None) -> Caller:
        """End the turn that began first, or the first one of a caller."""
        place = next(n for n, (who, _) in enumerate(self._done) if caller in {None, who})
        who, done = self._done.pop(place)
        done.set()
        await settle()
        return who

    @property
    def working(self) -> Counter[Caller]:
        return Counter(who for who, _ in self._done)

    @property
    def waiting(self) -> list[asyncio.Task[None]]:
        return [task for task in self.tasks if not task.done() and task not in self._at_work]

    async def _work(self, caller: Caller) -> None:
        try:
            await self.turns.take(caller)
        except (Throttled, Unavailable) as error:
            self.refused.append((caller, type(error)))
            return
        self.served.append(caller)
        self._at_work.add(asyncio.current_task())
        done = asyncio.Event()
        self._done.append((caller, done))
        try:
            await done.wait()
        finally:
            self.turns.release(caller)


def test_whoever_is_alone_has_all_slots() -> None:
    async def run() -> None:
        crowd = Crowd(2)
        await crowd.come(A, 3)
        assert crowd.served == [A, A]
        await crowd.finish()
        assert crowd.served == [A, A, A]

    asyncio.run(run())


def test_whoever_has_no_turn_comes_before_whoever_has_one_however_many_wait() -> None:
    async def run() -> None:
        crowd = Crowd(2)
        await crowd.come(A, 8)
        await crowd.come(B, 2)
        await crowd.finish(A)
        assert crowd.served[2:] == [B]
        for _ in range(4):
            await crowd.finish()
            if B in crowd.served[4:]:
                break
        # As long as both wait, each has one slot.
        assert crowd.served[2:5].count(B) >= 1

    asyncio.run(run())


@given(st.integers(1, 3), st.lists(st.integers(1, MAX_WAITING_EACH), min_size=2, max_size=5))
def test_callers_that_keep_asking_are_served_again_and_again_whatever_others_have_waiting(
    slots: int, waiting: list[int]
) -> None:
    callers = [Caller(1 + n % 2, f"{n}") for n in range(len(waiting))]

    async def run() -> None:
        crowd = Crowd(slots)
        for caller, count in zip(callers, waiting, strict=True):
            await crowd.come(caller, count)
        first = len(crowd.served)
        for _ in range(60):
            await crowd.come(await crowd.finish())  # who is done asks again at once
        served = Counter(caller.account for caller in crowd.served[first:])
        accounts = {caller.account for caller in callers}
        assert set(served) == accounts
        assert min(served.values()) >= len(crowd.served[first:]) // (2 * len(accounts)) - slots
        for account in accounts:
            own = Counter(caller for caller in crowd.served[first:] if caller.account == account)
            assert set(own) == {caller for caller in callers if caller.account == account}
        await cancelled(crowd)

    asyncio.run(run())


async def cancelled(crowd: Crowd) -> None:
    for task in crowd.tasks:
        task.cancel()
    await asyncio.gather(*crowd.tasks, return_exceptions=True)


def test_a_caller_with_too_many_waiting_is_told_to_slow_down() -> None:
    async def run() -> None:
        crowd = Crowd(1)
        await crowd.come(A, 1 + MAX_WAITING_EACH)
        assert crowd.refused == []
        await crowd.come(A)
        assert crowd.refused == [(A, Throttled)]
        await crowd.come(B)
        assert len(crowd.refused) == 1

    asyncio.run(run())


def test_when_all_room_is_taken_whoever_waits_for_most_gives_way() -> None:
    async def run() -> None:
        crowd = Crowd(1)
        many = [Caller(1, f"{n}") for n in range(MAX_WAITING // MAX_WAITING_EACH)]
        await crowd.come(C)
        for caller in many:
            await crowd.come(caller, MAX_WAITING_EACH)
        assert crowd.refused == []
        await crowd.come(B, 2)
        assert [(caller.account, kind) for caller, kind in crowd.refused] == [(1, Unavailable)] * 2
        await crowd.come(Caller(1, "another"))
        assert crowd.refused[2:] == [(Caller(1, "another"), Unavailable)]
        await crowd.finish()
        await crowd.finish()
        assert B in crowd.served[1:3]

    asyncio.run(run())


def test_a_turn_that_does_not_come_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MAX_WAIT_S", 0.02)

    async def run() -> None:
        crowd = Crowd(1)
        await crowd.come(A)
        await crowd.come(B)
        await asyncio.sleep(0.05)
        assert crowd.refused == [(B, Unavailable)]
        await crowd.finish()
        await crowd.come(C)
        assert crowd.served == [A, C]

    asyncio.run(run())


class Anything(RuleBasedStateMachine):
    """Comes, finishes and leaves in any order: no slot is lost, none is free while somebody waits."""

    SLOTS = 2

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.crowd = Crowd(self.SLOTS)

    @rule(account=st.integers(1, 3), name=st.sampled_from("ab"), count=st.integers(1, 9))
    def come(self, account: int, name: str, count: int) -> None:
        self.loop.run_until_complete(self.crowd.come(Caller(account, name), count))

    @rule()
    def finish(self) -> None:
        if self.crowd.working:
            self.loop.run_until_complete(self.crowd.finish())

    @rule(place=st.integers(0, 200), together=st.booleans())
    def leave(self, place: int, *, together: bool) -> None:
        """Cancel somebody who waits; perhaps at the very moment at which a turn comes."""
        waiting = self.crowd.waiting
        if waiting:

            async def cancel() -> None:
                if together:
                    _, done = self.crowd._done.pop(0)  # noqa: SLF001
                    done.set()
                    await asyncio.sleep(0)
                waiting[place % len(waiting)].cancel()
                await settle()

            self.loop.run_until_complete(cancel())

    @invariant()
    def no_slot_is_free_while_somebody_waits(self) -> None:
        self.loop.run_until_complete(settle())
        unfinished = sum(not task.done() for task in self.crowd.tasks)
        assert self.crowd.working.total() == min(self.SLOTS, unfinished)

    def teardown(self) -> None:  # type: ignore[explicit-override]
        async def leave_and_come_again() -> None:
            await cancelled(self.crowd)
            crowd = Crowd(self.SLOTS)
            crowd.turns = self.crowd.turns
            await crowd.come(A, self.SLOTS)
            assert crowd.served == [A] * self.SLOTS
            await cancelled(crowd)

        self.loop.run_until_complete(leave_and_come_again())
        self.loop.close()


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=rounds(30), stateful_step_count=20)
