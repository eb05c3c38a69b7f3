"""The thread that reads and changes users and policies, and the health of a server whose disk hangs."""

import asyncio
import threading
from pathlib import Path

import pytest

from otpconv.config import load
from otpconv.errors import Unavailable
from otpconv.service.administration import MAX_WAITING
from otpconv.service.compose import Service


def test_too_many_calls_are_refused_and_the_others_end(tmp_path: Path) -> None:
    async def run() -> list[int]:
        service = Service(load(data=tmp_path))
        await service.start()
        free = threading.Event()
        administration = service.administration
        waiting = [
            asyncio.ensure_future(administration.aside(lambda: int(free.wait(30))))
            for _ in range(MAX_WAITING)
        ]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="Too many changes"):
            await administration.aside(lambda: 0)
        waiting[0].cancel()  # a client that leaves makes no room
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="Too many changes"):
            await administration.aside(lambda: 0)
        free.set()
        ended = await asyncio.gather(*waiting[1:])
        assert await administration.aside(lambda: 7) == 7
        await service.stop()
        return ended

    assert asyncio.run(run()) == [1] * (MAX_WAITING - 1)


def test_health_is_told_although_the_disk_hangs(tmp_path: Path) -> None:
    async def run() -> None:
        service = Service(load(data=tmp_path))
        await service.start()
        assert (await service.health()).disk is not None
        free = threading.Event()
        hanging = asyncio.ensure_future(service.administration.aside(lambda: free.wait(30)))
        await asyncio.sleep(0)  # until the thread has it
        health = await service.health()
        assert (health.disk, health.problems) == (None, [])
        free.set()
        await hanging
        await service.stop()

    asyncio.run(run())
