"""Housekeeping goes on whatever happens, and says once what did."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from prometheus_client import CollectorRegistry

from campaigns import rounds
from otpconv.config import load
from otpconv.errors import BadCredentials, InactiveAccessKey, Misconfigured, Unavailable
from otpconv.service import housekeeping as module
from otpconv.service.compose import Service
from otpconv.service.housekeeping import Housekeeping
from otpconv.service.opening import open_key_store

FAILURES: list[Exception] = [
    Unavailable("The disk is on fire."),
    Misconfigured("The file is damaged."),
    ValueError("not one of ours"),
    OSError(28, "No space left on device"),
    MemoryError(),
    RecursionError(),
    TimeoutError(),
    AssertionError("a fault of ours"),
    KeyError("missing"),
    StopIteration(),
]
PAUSE_S = 0.002


class Work:
    """Fails as often as asked, run after run, and then succeeds."""

    def __init__(self, failures: list[Exception]) -> None:
        self.runs = 0
        self.threads: set[int] = set()
        self._failures = failures

    def __call__(self) -> None:
        self.runs += 1
        self.threads.add(threading.get_ident())
        if self.runs <= len(self._failures):
            raise self._failures[self.runs - 1]

    async def awaited(self) -> None:
        await asyncio.sleep(0)
        self()


def added(tasks: Housekeeping, work: Callable[[], Awaitable[object] | None], *, aside: bool = False) -> None:
    tasks.every(PAUSE_S, "cleaning", work, late_s=60, harm="it is dirty", aside=aside)


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110 - the awaited condition sets no event
            await asyncio.sleep(0.002)


@settings(max_examples=rounds(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(FAILURES), max_size=6), st.sampled_from(["plain", "awaited", "aside"]))
def test_a_task_outlives_every_exception_and_logs_each_kind_once_in_a_row(
    caplog: pytest.LogCaptureFixture, failures: list[Exception], how: str
) -> None:
    caplog.clear()
    caplog.set_level(logging.INFO)
    work = Work(failures)

    async def main() -> Housekeeping:
        tasks = Housekeeping()
        added(tasks, work.awaited if how == "awaited" else work, aside=how == "aside")
        tasks.start()
        await until(lambda: work.runs > len(failures) + 2)
        await tasks.stop()
        return tasks

    tasks = asyncio.run(main())
    changes = sum(one is not before for one, before in zip(failures, [None, *failures], strict=False))
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warned) == changes
    assert len([each for each in caplog.records if "succeeds again" in each.message]) == bool(failures)
    registry = CollectorRegistry()
    registry.register(tasks)
    counted = registry.get_sample_value("otpconv_housekeeping_failures_total", {"task": "cleaning"})
    assert counted == len(failures)
    age = registry.get_sample_value("otpconv_housekeeping_age_seconds", {"task": "cleaning"})
    assert age is not None
    assert age < 20
    assert (threading.get_ident() in work.threads) == (how != "aside")
    assert len(work.threads) == 1


@pytest.mark.parametrize("hangs", [False, True])
def test_a_task_that_is_late_is_told_loudly_with_what_that_means(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, *, hangs: bool
) -> None:
    monkeypatch.setattr(module, "_WATCH_S", 0.02)
    over = threading.Event()

    def work() -> None:
        if hangs:
            over.wait(20)
        elif not over.is_set():
            raise ValueError("again and again")

    async def main() -> None:
        tasks = Housekeeping()
        tasks.every(PAUSE_S, "cleaning", work, late_s=0.2, harm="it is dirty", aside=True)
        tasks.start()
        assert tasks.late() == []
        await until(lambda: any("it is dirty" in record.message for record in caplog.records))
        (late,) = tasks.late()
        assert late.startswith("cleaning has not succeeded for 0 s")
        assert late.endswith(": it is dirty")
        await asyncio.sleep(0.1)
        assert caplog.text.count("it is dirty") == 1
        over.set()
        await until(lambda: tasks.late() == [])
        await tasks.stop()

    asyncio.run(main())


def test_a_revoked_key_stops_working_once_the_keys_can_be_read_again(tmp_path: Path) -> None:
    data = load(data=tmp_path / "data")
    with closing(open_key_store(data)) as store:
        key = store.create("default", "olga", "AdministratorAccess")
        service = Service(data)
        refresh, broken = service.keys.refresh, threading.Event()

        async def main() -> None:
            await service.start()
            assert service.keys.get(key.access_key_id).active
            broken.set()
            store.set_active(key.access_key_id, active=False)
            await asyncio.sleep(0.6)
            service.keys.get(key.access_key_id)
            broken.clear()

            def is_refused() -> bool:
                try:
                    service.keys.get(key.access_key_id)
                except InactiveAccessKey:
                    return True
                return False

            await until(is_refused)
            await service.stop()

        def fail_or_refresh() -> None:
            if broken.is_set():
                raise ZeroDivisionError
            refresh()

        service.housekeeping.every(
            0.05, "access keys", fail_or_refresh, late_s=10, harm="revoked keys work", aside=True
        )
        asyncio.run(main())
    with pytest.raises(BadCredentials):
        service.keys.get(key.access_key_id)
