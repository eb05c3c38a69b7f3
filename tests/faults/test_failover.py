"""The layout of `docs/how-to/failover.md`: the primary is killed under load, and nobody does anything."""

import random
import time
from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest

from campaigns import rounds
from faults import cluster
from faults.load import Load, assert_recorded, wait_until
from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.service.engines import postgres_engine

KILLS = rounds(10, at_least=1)
#: How long a caller may wait for an answer, s.
ANSWERED_WITHIN_S = 3.0
#: Patroni replaces a primary after 20 s, and other tests run at the same time.
RECOVERED_WITHIN_S = 60.0


@pytest.mark.long("Patroni takes 20 s at least to replace a primary")
@pytest.mark.campaign("only here: etcd, Patroni and two PostgreSQL take 30 s of CPU")
def test_a_killed_primary_is_replaced_and_every_acknowledged_report_is_there_once(
    make_server: Callable[..., LocalServer],
) -> None:
    chance = random.Random(10)
    load_ = Load(signed=True)
    with cluster.running() as servers:
        # A strict node would refuse the conversions of messages that it has lost.
        node = make_server(settings={"OTPCONV_LEDGER": servers.url, "OTPCONV_STRICT": "true"})
        settings = load(data=node.data, ledger=servers.url)
        postgres_engine(settings).create()
        node.start()
        auth = (node.access_key_id, node.access_key_secret)
        load_.start(node)
        for _ in range(KILLS):
            load_.wait_for_more()
            servers.wait_for_standbys()
            primary = servers.primary()
            time.sleep(chance.uniform(0.0, 0.5))
            refused = load_.refused
            servers.kill_member(primary)
            began = time.monotonic()
            assert httpx.get(f"{node.url}/v1/rates", auth=auth).status_code in {200, 503}
            assert time.monotonic() - began < ANSWERED_WITHIN_S
            load_.wait_for_more(RECOVERED_WITHIN_S)
            assert load_.refused > refused
            assert servers.primary() != primary
            servers.start_member(primary)
        load_.wait_for_more()
        load_.stop()
        assert load_.slowest_s < ANSWERED_WITHIN_S

        def counted() -> int:
            answer = httpx.get(f"{node.url}/v1/rates", auth=auth).raise_for_status().json()
            return sum(row["requested"] for row in answer["rows"])

        wait_until(lambda: counted() >= len(load_.requested))
        assert httpx.get(f"{node.url}/readyz").status_code == 200
        assert not any(text in node.log.read_text() for text in (cluster.PASSWORD, quote(cluster.PASSWORD)))
        assert node.stop() == 0
        assert_recorded(postgres_engine(settings), load_)
