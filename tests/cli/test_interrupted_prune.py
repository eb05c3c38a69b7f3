"""`otpconv ledger prune` on a terminal is interrupted by Ctrl-C, says how far it came, and can go on."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from audited import audited
from cli.commands import otpconv
from constants import with_constants
from otpconv.config import environment, load
from otpconv.model import Requested
from otpconv.service.opening import open_key_store
from otpconv.storage.contract import Entry
from otpconv.storage.sqlite import SqliteEngine, SqliteLedgerReader

SENT = 1_780_000_000_000
MESSAGES = 3_000
#: Messages deleted at a time: small, so that the signal comes in the middle.
ERASED = 20


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with old messages and a new one."""
    folder = tmp_path / "data"
    folder.mkdir()
    with closing(open_key_store(load(data=folder))) as keys:
        account = keys.account("default")
    engine = SqliteEngine(folder)
    with closing(engine.journal()) as journal:
        sent = [Requested(account, f"m{number}", SENT + number) for number in range(MESSAGES + 1)]
        journal.append([Entry(report) for report in sent], SENT)
    engine.prepare_ledger()
    with closing(engine.ledger_writer()) as writer:
        while writer.apply(5_000) < len(sent):
            pass
    return folder


def messages(data: Path) -> int:
    with closing(SqliteLedgerReader(data / "ledger.sqlite")) as ledger:
        return len([*ledger.messages(1)])


def shown_on(terminal: int) -> str:
    """Read what a terminal shows, once nothing writes to it any more, and close it."""
    shown = b""
    with suppress(OSError):  # the end of a terminal
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    return shown.decode()


def test_ctrl_c_ends_a_prune_that_can_go_on(data: Path, tmp_path: Path) -> None:
    small = with_constants(tmp_path, {"otpconv.storage.erasable.MAX_ERASED": ERASED})
    words = ["ledger", "prune", "--before", str(SENT + MESSAGES), "--data", str(data)]
    terminal, its_end = os.openpty()
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "otpconv", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=its_end,
        env={**environment(), **small},
        start_new_session=True,
    )
    os.close(its_end)
    deadline = time.monotonic() + 30
    while messages(data) > MESSAGES - 2 * ERASED and process.poll() is None:
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    interrupted = time.monotonic()
    process.communicate(timeout=30)
    took = time.monotonic() - interrupted
    said = shown_on(terminal)
    assert process.returncode == 130
    assert took < 2
    deleted = MESSAGES + 1 - messages(data)
    assert 0 < deleted < MESSAGES
    assert "run the command again to delete the rest" in said
    (line,) = audited(data)
    assert (line["what"], line["outcome"]) == ("PruneMessages", "interrupted")
    # The last step may have been committed when the signal came, but not counted yet.
    counted = int(line["subject"].split(", ")[1].split()[0].replace(",", ""))
    assert f"interrupted after {counted:,} messages" in said
    assert deleted - ERASED <= counted <= deleted
    # A step that was recorded, but not applied, is applied first, and not counted.
    again = json.loads(otpconv(*words, "--json").stdout)["deleted"]
    assert MESSAGES - deleted - ERASED <= again <= MESSAGES - deleted
    assert messages(data) == 1
    assert not SqliteEngine(data).has_erasures()
