"""Messages that were sent are recorded later if it fails at first, and none is lost silently."""

import asyncio
from collections.abc import Sequence

import pytest

from otpconv.errors import InvalidTime, Unavailable
from otpconv.ledger.judge import Judgement
from otpconv.model import Report, Requested
from otpconv.storage.contract import Entry
from otpconv.web.rpc import recording
from otpconv.web.rpc.recording import Recording


class Intake:
    """Records reports in memory, fails, or does not answer.

    Attributes:
        state: `works`, `fails`, `hangs`, or `refuses`.
        recorded: the reports so far.
    """

    def __init__(self, state: str) -> None:
        self.state = state
        self.recorded: list[Report] = []
        self.hanging: list[asyncio.Future[list[Judgement]]] = []

    def submit(self, entries: list[Entry]) -> "asyncio.Future[list[Judgement]]":
        future: asyncio.Future[list[Judgement]] = asyncio.get_running_loop().create_future()
        if self.state == "hangs":
            self.hanging.append(future)
        elif self.state == "fails":
            future.set_exception(Unavailable("The disk is full."))
        elif self.state == "refuses":
            future.set_result([InvalidTime("The clock is wrong.")] * len(entries))
        else:
            self.recorded += [entry.report for entry in entries]  # type: ignore[misc]
            future.set_result(["recorded"] * len(entries))
        return future


def messages(*numbers: int) -> list[Report]:
    return [Requested(1, f"m{number}", 1_700_000_000_000) for number in numbers]


def numbers(of: Recording) -> dict[str, float]:
    return {sample.name: sample.value for metric in of.collect() for sample in metric.samples}


async def ends_soon(work: Recording, reports: Sequence[Report]) -> None:
    async with asyncio.timeout(5):
        await work.record(reports)


def test_a_failed_record_is_repeated_until_it_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        intake = Intake("fails")
        work = Recording(intake)
        await ends_soon(work, messages(1, 2))
        await ends_soon(work, messages(3))
        assert numbers(work)["otpconv_sends_unrecorded"] == 3
        with pytest.raises(Unavailable):
            await work.repeat()
        assert numbers(work)["otpconv_sends_unrecorded"] == 3
        intake.state = "works"
        await work.repeat()
        assert intake.recorded == messages(1, 2, 3)
        assert numbers(work) == {"otpconv_sends_unrecorded": 0, "otpconv_sends_lost_total": 0}

    asyncio.run(run())
    assert "2 reports about sent messages wait to be recorded: The disk is full." in caplog.text


def test_an_answer_waits_only_briefly_for_a_disk_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "WAIT_S", 0.01)

    async def run() -> None:
        intake = Intake("hangs")
        work = Recording(intake)
        await ends_soon(work, messages(1))
        (hanging,) = intake.hanging
        hanging.set_exception(Unavailable("It failed after all."))
        await asyncio.sleep(0)
        intake.state = "works"
        await work.repeat()
        assert intake.recorded == messages(1)

    asyncio.run(run())


def test_what_can_not_be_recorded_is_logged_and_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MAX_WAITING", 3)

    async def run() -> None:
        intake = Intake("refuses")
        work = Recording(intake)
        await ends_soon(work, messages(1))
        assert numbers(work)["otpconv_sends_lost_total"] == 1
        intake.state = "fails"
        for number in range(5):
            await ends_soon(work, messages(number))
        assert numbers(work) == {"otpconv_sends_unrecorded": 3, "otpconv_sends_lost_total": 3}
        await work.close()
        assert numbers(work) == {"otpconv_sends_unrecorded": 0, "otpconv_sends_lost_total": 6}

    asyncio.run(run())
    assert "1 reports about sent messages are lost: The clock is wrong." in caplog.text
    assert "over 3 were waiting" in caplog.text
