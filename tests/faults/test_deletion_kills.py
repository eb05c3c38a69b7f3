"""A deletion that is killed in the middle can be finished, and a rebuild always gives the same ledger."""

import os
import random
import signal
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pytest

from campaigns import LONG_FORM, parameters
from ledger.recount import Recount, contents
from otpconv.config import load
from otpconv.model import Conversion, Dimensions, Requested
from otpconv.service.deleting import Recording, forget, prune
from otpconv.service.numbers import open_number_hash
from otpconv.service.opening import open_key_store
from otpconv.storage.contract import DAY_MS, Entry
from otpconv.storage.sqlite import SqliteEngine, SqliteJournalEraser

NOW = 1_800_000_000_000
BEFORE = NOW - 5 * DAY_MS
MESSAGES = 3_000 if LONG_FORM else 1_200
NUMBER = "+34600000001"
#: The command that deletes, and after how many calls of which part its process is killed.
KILLS = [
    (what, part, calls)
    for what in ("prune", "forget")
    for part, calls in (("__call__", 2), ("step", 1), ("step", 2))
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with old messages, of which a tenth is to one number."""
    settings = load(data=tmp_path)
    with closing(open_key_store(settings)) as keys:
        account = keys.account("default")
    engine = SqliteEngine(tmp_path)
    hashed = open_number_hash(settings)(account, NUMBER)
    chance = random.Random(5)
    with closing(engine.journal()) as journal:
        for first in range(0, MESSAGES, 100):
            reports: list[Requested | Conversion] = []
            for number in range(first, first + 100):
                at = NOW - 10 * DAY_MS + chance.randrange(10 * DAY_MS)
                to = hashed if number % 10 == 0 else f"{chance.getrandbits(128):032x}"
                values = Dimensions("ES", provider=f"p{number % 3}")
                reports.append(Requested(account, f"m{number}", at, values, to, session_id=f"s{number // 3}"))
                reports.append(Conversion(account, number % 4 > 0, at + 9_000, f"m{number}", to))
            journal.append([Entry(report) for report in reports], NOW)
    engine.prepare_ledger()
    with closing(engine.ledger_writer()) as writer:
        while writer.apply(5_000) < 2 * MESSAGES:
            pass
    return tmp_path


def content(data: Path) -> Recount:
    with closing(SqliteEngine(data).ledger_reader()) as ledger:
        return contents(ledger, (1,))


def delete(data: Path, what: str) -> None:
    settings = load(data=data)
    if what == "forget":
        forget(settings, 1, open_number_hash(settings)(1, NUMBER))
    else:
        prune(settings, BEFORE, lambda _: None)


def delete_and_die(data: Path, what: str, part: str, calls: int) -> None:
    """Delete, and kill this process after so many calls of a part of it."""
    owner: type = {"__call__": Recording, "step": SqliteJournalEraser}[part]
    original = getattr(owner, part)
    left = calls

    def counted(self: object, *given: object) -> object:
        nonlocal left
        result = original(self, *given)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, part, counted)
    delete(data, what)


def rebuilt(data: Path) -> Recount:
    SqliteEngine(data).rebuild_ledger(lambda *_: None)
    return content(data)


@pytest.mark.parametrize(
    ("what", "part", "calls"),
    parameters(KILLS, [("prune", "__call__", 2), ("forget", "step", 1)], "kills at other moments"),
)
def test_a_killed_deletion_is_consistent_and_can_be_finished(
    data: Path, what: str, part: str, calls: int
) -> None:
    whole = content(data)
    process = get_context("spawn").Process(target=delete_and_die, args=(data, what, part, calls))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    half = content(data)
    assert half.days == whole.days
    assert rebuilt(data) == half
    delete(data, what)
    finished = content(data)
    assert finished.days == whole.days
    assert rebuilt(data) == finished
    assert not SqliteEngine(data).has_erasures()
    if what == "forget":
        hashed = open_number_hash(load(data=data))(1, NUMBER)
        files = b"".join(file.read_bytes() for file in data.glob("*.sqlite*"))
        assert hashed.encode() not in files
        assert bytes.fromhex(hashed) not in files
