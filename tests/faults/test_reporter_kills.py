"""Reporting processes are killed at random; every report that returned is delivered and counted once."""

import random
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from campaigns import rounds
from faults.reporting import Reporting, drain, eventually
from otpconv.cli.local_server import LocalServer
from otpconv.storage.sqlite import SqliteLedgerReader

PROCESSES = 4
KILLS = rounds(50, at_least=4)


@pytest.mark.long("a process starts in every round")
@pytest.mark.rounds
def test_fifty_kills_lose_no_report_that_returned_and_count_none_twice(
    make_server: Callable[..., LocalServer], tmp_path: Path
) -> None:
    chance = random.Random(50)
    server = make_server()
    server.start()
    access = (server.access_key_id, server.access_key_secret)
    made: list[Reporting] = []

    def start() -> Reporting:
        name = f"p{len(made)}"
        made.append(Reporting(server.url, tmp_path / "spool", tmp_path / name, name, access=access))
        return made[-1]

    running = [start() for _ in range(PROCESSES)]
    for _ in range(KILLS):
        eventually(made[-1].returned, bool)
        time.sleep(chance.uniform(0.05, 0.35))
        # The oldest is the likeliest to be the one that delivers.
        victim = running.pop(0 if chance.random() < 0.5 else chance.randrange(PROCESSES))
        victim.end()
        running.append(start())
    for each in running:
        each.end()
    stats = drain(server.url, tmp_path / "spool", access).stats()
    assert (stats.rejected, stats.lost) == (0, {})
    server.stop()

    returned = [id_ for each in made for id_ in each.returned()]
    assert len(returned) > 20 * KILLS
    with closing(SqliteLedgerReader(server.data / "ledger.sqlite")) as ledger:
        known = [message.message_id for message in ledger.messages(1)]
    assert len(known) == len(set(known))
    assert set(returned) <= set(known)
    # Beside those that returned there may be the one a process was in when it was killed.
    assert len(known) <= len(returned) + len(made)
