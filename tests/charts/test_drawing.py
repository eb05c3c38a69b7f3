"""The process that draws: its inputs, who waits for it, and which of its results are kept."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from otpconv.charts.drawing import MAX_KEPT_BYTES, MAX_PICTURE_BYTES, Drawer
from otpconv.charts.point import Point
from otpconv.charts.timeline import Chart
from otpconv.errors import Unavailable
from otpconv.ledger.turns import MAX_WAITING_EACH, Caller

ONE = Caller(1, "key")
SECRETS = {
    "OTPCONV_SEALING_KEY": "a-sealing-key",
    "OTPCONV_ACCESS_KEY_SECRET": "an-access-key",
    "DATABASE_URL": "a-password",
    "AWS_SECRET_ACCESS_KEY": "another",
}


def test_the_process_that_draws_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)

    def environment_of(drawer: Drawer) -> bytes:
        assert drawer._process is not None  # noqa: SLF001 - there is no other way to find the process
        return Path(f"/proc/{drawer._process.popen.pid}/environ").read_bytes()  # noqa: SLF001

    async def environment_of_the_drawer() -> tuple[bytes, bytes]:
        drawer = Drawer()
        drawn = await drawer.draw(Chart([Point(0, 0.5, 0.4, 0.6, 0.5, 2, 1)], 60_000), ONE)
        given = environment_of(drawer)
        await drawer.stop()
        return drawn, given

    drawn, given = asyncio.run(environment_of_the_drawer())
    assert drawn.startswith(b"<svg")
    assert b"PATH=" in given
    for name, value in SECRETS.items():
        assert name.encode() not in given
        assert value.encode() not in given


def chart(number: int) -> Chart:
    return Chart([Point(0, 0.5, 0.4, 0.6, 0.5, number, 1)], 60_000)


class Quick(Drawer):
    """Draws nothing, but as large as it is asked to; every drawing is counted."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self.drawn = 0

    async def _fresh(self, _asked: bytes) -> bytes:
        self.drawn += 1
        await asyncio.sleep(0)
        return bytes(self._size)


@pytest.mark.parametrize("size", [1_000, 50_000, MAX_KEPT_BYTES // 4, MAX_KEPT_BYTES // 4 + 1, 30_000_000])
def test_charts_are_kept_up_to_a_number_of_bytes_those_used_last_longest(size: int) -> None:
    async def draw_all() -> None:
        drawer = Quick(size)
        room = MAX_KEPT_BYTES // size if size <= MAX_KEPT_BYTES // 4 else 0
        count = min(200, room + 10)
        for number in range(count):
            await drawer.draw(chart(number), ONE)
            await drawer.draw(chart(0), ONE)
            assert sum(map(len, drawer._kept.values())) <= MAX_KEPT_BYTES  # noqa: SLF001
        # The first one was used all the time.
        assert drawer.drawn == (count if room else 2 * count)
        await drawer.draw(chart(count - 1), ONE)
        assert drawer.drawn == (count if room else 2 * count + 1)
        if 0 < room < count:
            await drawer.draw(chart(1), ONE)
            assert drawer.drawn == count + 1

    asyncio.run(draw_all())


def test_one_who_asks_for_many_charts_makes_nobody_else_wait_for_them_all() -> None:
    async def draw_all() -> list[int]:
        drawer = Quick(10)
        order: list[int] = []

        async def draw(number: int, caller: Caller) -> None:
            await drawer.draw(chart(number), caller)
            order.append(number)

        many = [draw(number, ONE) for number in range(MAX_WAITING_EACH)]
        await asyncio.gather(*many, draw(1_000, Caller(2, "key")))
        return order

    assert asyncio.run(draw_all()).index(1_000) <= 2


def test_a_chart_is_not_larger_than_can_be_drawn() -> None:
    slots = [Point(0, 0.5, 0.4, 0.6, 0.5, 2, 1)] * (MAX_PICTURE_BYTES // 50)
    with pytest.raises(Unavailable, match="too large"):
        asyncio.run(Quick(1).draw(Chart(slots, 60_000), ONE))


RUNS_NOTHING_IN_A_COPY = """
import os, sys, uvloop
from pathlib import Path
from otpconv.ledger.turns import Caller
from otpconv.charts.point import Point
from otpconv.charts.timeline import Chart
from otpconv.charts.drawing import Drawer

os.register_at_fork(after_in_child=Path(sys.argv[1]).touch)

async def run():
    drawer = Drawer()
    drawn = await drawer.draw(Chart([Point(0, 0.5, 0.4, 0.6, 0.5, 2, 1)], 60_000), Caller(1, "key"))
    await drawer.stop()
    return drawn

assert uvloop.run(run()).startswith(b"<svg")
"""


def test_no_python_runs_in_a_copy_of_the_server_when_the_process_starts(tmp_path: Path) -> None:
    """It would close other threads' connections, wait for their locks for ever, and the server for it."""
    command = [sys.executable, "-c", RUNS_NOTHING_IN_A_COPY, tmp_path / "ran"]
    subprocess.run(command, check=True, timeout=60)  # noqa: S603 - our own
    assert not (tmp_path / "ran").exists()


def test_nothing_is_started_any_more_once_it_is_stopped_while_getting_ready() -> None:
    def children() -> list[str]:
        file = Path(f"/proc/self/task/{threading.get_native_id()}/children")
        return file.read_text(encoding="ascii").split()

    async def stopped() -> list[str]:
        drawer = Drawer()
        drawer.warm_up()
        await asyncio.sleep(0.05)
        await drawer.stop()
        await asyncio.sleep(0.1)
        return children()

    others = children()  # servers of other tests
    assert asyncio.run(stopped()) == others
