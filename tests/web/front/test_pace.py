"""Long work on the event loop: one piece in each turn of the loop, whoever it belongs to."""

import asyncio
from contextlib import suppress

from hypothesis import given, strategies as st

from otpconv.web.front.pace import Pace


@given(st.lists(st.integers(0, 8), min_size=1, max_size=20))
def test_one_piece_runs_in_each_turn_of_the_loop_and_nobody_is_passed_over(pieces: list[int]) -> None:
    ran: list[tuple[int, int]] = []

    async def run() -> None:
        pace = Pace()
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async def work(who: int, count: int) -> None:
            for _ in range(count):
                await pace.turn()
                ran.append((turns, who))

        counting = asyncio.create_task(count_turns())
        await asyncio.gather(*(work(who, count) for who, count in enumerate(pieces)))
        counting.cancel()
        with suppress(asyncio.CancelledError):
            await counting

    asyncio.run(run())
    assert len({turn for turn, _ in ran}) == len(ran) == sum(pieces)
    for place, (_, who) in enumerate(ran):
        # Everybody else who still has pieces comes before anybody comes again.
        before = [other for _, other in ran[:place]]
        still = {other for other, count in enumerate(pieces) if before.count(other) < count}
        assert before.count(who) == min(before.count(other) for other in still)


@given(st.sets(st.integers(0, 9)))
def test_work_that_is_cancelled_while_it_waits_costs_nobody_a_turn(cancelled: set[int]) -> None:
    async def run() -> list[int]:
        pace = Pace()
        ran: list[int] = []

        async def work(who: int) -> None:
            await pace.turn()
            ran.append(who)

        tasks = [asyncio.create_task(work(who)) for who in range(10)]
        await asyncio.sleep(0)
        for who in cancelled:
            tasks[who].cancel()
        await asyncio.wait(tasks)
        await asyncio.wait_for(pace.turn(), 1)
        return ran

    assert asyncio.run(run()) == [who for who in range(10) if who not in cancelled]
