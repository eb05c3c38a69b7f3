"""A killed process loses nothing that it has recorded, and leaves nothing half done."""

import random
import time
from contextlib import closing, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from campaigns import rounds
from otpconv.storage.alerts.contract import LASTING
from otpconv.storage.sqlite.alerts import alerts_file
from storage.alerts.findings import MINUTE, NOW, ended, found, minute


def watch(path: Path, sender: Connection) -> None:
    """Record one minute after the other, and say so after each commit: one alert begins and one ends."""
    store = alerts_file(path)
    checkpoint = store.checkpoint(1)
    number = 0 if checkpoint is None else (checkpoint.at - NOW) // MINUTE + 1
    while True:
        some = [found((("provider", str(each)),)) for each in (number - 1, number)]
        after = NOW + (number - 1) * MINUTE if number else None
        assert store.record(1, after, minute(number, watch=b"%d" % number), [ended(some[0]), some[1]])
        sender.send(number)
        number += 1


def test_a_kill_between_or_in_commits_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(7)
    path = tmp_path / "alerts.sqlite"
    for _ in range(rounds(20, at_least=2)):
        receiver, sender = get_context("spawn").Pipe(duplex=False)
        process = get_context("spawn").Process(target=watch, args=(path, sender))
        process.start()
        sender.close()
        last = receiver.recv()
        time.sleep(chance.random() * 0.03)
        process.kill()
        with suppress(EOFError):
            while True:
                last = receiver.recv()
        process.join()
        receiver.close()
        with closing(alerts_file(path)) as store:
            checkpoint = store.checkpoint(1)
            assert checkpoint is not None
            number = (checkpoint.at - NOW) // MINUTE
            assert last <= number <= last + 1
            assert checkpoint.parts == {"watch": b"%d" % number}
            (alert,) = store.alerts(1, LASTING)
            assert alert.found.values == (("provider", str(number)),)
            events = store.events(0, 1_000_000)
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            assert len(events) == 2 * number + 1  # each alert was opened, and all but the last resolved
