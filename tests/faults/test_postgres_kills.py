"""PostgreSQL and the server are killed under load; nothing acknowledged is lost or counted twice."""

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import postgresql
from campaigns import rounds
from faults.load import Load, assert_recorded
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.service.engines import postgres_engine

#: Half of them of each.
KILLS = rounds(60, at_least=4)


@pytest.mark.long("two servers start in every round")
@pytest.mark.campaign("kills on SQLite are in test_crashes.py, broken connections in test_postgres_faults.py")
def test_kills_of_the_database_and_of_the_server_lose_nothing_acknowledged(
    make_server: Callable[..., LocalServer],
) -> None:
    chance = random.Random(30)
    load_ = Load()
    with postgresql.running(Path(tempfile.gettempdir()), postgresql.DURABLE) as server:
        node = make_server(settings={"OTPCONV_LEDGER": server.url})
        settings = load(data=node.data, ledger=server.url)
        postgres_engine(settings).create()
        node.start()
        load_.start(node)
        for round_ in range(KILLS):
            load_.wait_for_more()
            time.sleep(chance.uniform(0.0, 0.2))
            if round_ % 2:
                node.kill()
                node.start()
                load_.start(node)
            else:
                server.kill()
                server.start()
        load_.wait_for_more()
        load_.stop()
        node.stop()
        node.start()
        node.stop()
        assert load_.refused
        assert_recorded(postgres_engine(settings), load_)
