"""A server that starts with a wrong clock, in a folder with data: nothing is gone once the clock is right."""

import asyncio
import logging
from pathlib import Path

import pytest

from otpconv.clock import wall_clock
from otpconv.config import Settings, load
from otpconv.ledger.turns import Caller
from otpconv.model import Conversion, Report, Requested
from otpconv.service.compose import Service
from otpconv.service.upkeep import inspect_storage, rebuild_ledger
from otpconv.storage.contract import DAY_MS, HOUR_MS, MINUTE_MS, LedgerReader, Window

NOW = wall_clock()
YEAR_MS = 365 * DAY_MS
#: Two days ago: rollups by minute are kept for longer, and a conversion waits for its message for longer.
BEFORE = (NOW - 2 * DAY_MS) // MINUTE_MS * MINUTE_MS
WRONG = [-30 * YEAR_MS, -8 * HOUR_MS, 400 * DAY_MS, 100 * YEAR_MS]


def serve(settings: Settings, off: int, *reports: Report) -> tuple[set[str], int]:
    """Start a server whose clock is `off`, record some reports, and stop it.

    Returns:
        The messages known in the end, and how many of them are counted by minute from `BEFORE` on.
    """

    def known(ledger: LedgerReader) -> tuple[set[str], int]:
        window = Window(minutes=((BEFORE, NOW // MINUTE_MS * MINUTE_MS),))
        counted = sum(each.tally.requested for each in ledger.counts(1, window, [], {}))
        return {message.message_id for message in ledger.messages(1)}, counted

    async def run() -> tuple[set[str], int]:
        service = Service(settings, lambda: NOW + off)
        service.first_key_file()
        await service.start()
        try:
            await service.intake.record(reports)
            found, lag = await service.questions.ask(Caller(1, "key"), known, lambda found, lag: (found, lag))
            assert lag == 0
            return found
        finally:
            await service.stop()

    return asyncio.run(run())


@pytest.mark.parametrize("off", WRONG)
@pytest.mark.parametrize("reporting", ["reports meanwhile", "no reports meanwhile"])
def test_one_start_with_a_wrong_clock_destroys_nothing_also_not_in_a_rebuild(
    tmp_path: Path, off: int, reporting: str
) -> None:
    settings = load(data=tmp_path / "data")
    serve(settings, -2 * DAY_MS, Requested(1, "m", BEFORE), Conversion(1, True, BEFORE, "c"))
    wrong = [Requested(1, "wrong", NOW + off)] if reporting == "reports meanwhile" and off > -YEAR_MS else []
    serve(settings, off, *wrong)
    serve(settings, off)
    found = serve(settings, 0)
    assert {"m", "c"} <= found[0]
    assert found[1] >= 1
    rebuild_ledger(settings, lambda _done, _total: None)
    assert serve(settings, 0) == found


def test_a_clock_that_is_behind_is_told_by_the_log_and_the_doctor(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load(data=tmp_path / "data")
    serve(settings, 0, Requested(1, "m", BEFORE))
    with caplog.at_level(logging.WARNING):
        serve(settings, -8 * HOUR_MS)
    assert "the clock is 8 h behind the newest report" in caplog.text
    findings = {each.check: each for each in inspect_storage(settings, lambda: NOW - 8 * HOUR_MS)}
    assert not findings["clock"].ok
    assert "8 h ahead of this machine's time" in findings["clock"].text
    assert "set the clock" in findings["clock"].advice
    assert {each.check: each for each in inspect_storage(settings, lambda: NOW)}["clock"].ok
