"""Native batches in PostgreSQL until the applier has caught up, and which process takes the CPU.

`otpconv serve` gets messages, and conversions of 80 % of them, over two connections: as they happen, and then
such as an import sends, of the last 30 days. The rate counts until every report is in the ledger.
"""

import http.client
import json
import random
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from benchmarks.comparison.processes import tree_cpu_s
from benchmarks.dataset import COMBINATIONS, message_id, requested_at
from benchmarks.postgres_server import PostgresServer, running
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock

_CONNECTIONS = 2
_BATCH = 5_000
_VERIFIED = 0.8
#: At most this many messages of each kind, so that there are a million reports.
_MESSAGES = 555_000
#: The processes of the database that serve the node, by what they ran last.
_BACKENDS = """
SELECT CASE WHEN query LIKE '%apply_reports%' THEN 'applier' ELSE 'others' END, pid FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_LEFT = """
SELECT w.last - c.position FROM otpconv.writers AS w, otpconv_ledger.cursors AS c
WHERE c.follower = 'ledger' AND c.bucket = 0
"""


def run(folder: Path, messages: int, seconds: int) -> Iterator[dict[str, object]]:  # noqa: ARG001 - one form for all
    """Send messages, at most 555,000, and their conversions, as they happen and of 30 days."""
    count = min(messages, _MESSAGES)
    for name, days in (("as they happen", 0), ("of 30 days", 30)):
        bodies = [
            list(_bodies(connection, count // _CONNECTIONS, days)) for connection in range(_CONNECTIONS)
        ]
        with running(folder) as database:
            database.database()
            with LocalServer(folder / name.replace(" ", "-"), {"OTPCONV_LEDGER": database.url}) as server:
                yield {"benchmark": f"sustained, native batches of {_BATCH}, {name}"} | _measure(
                    database, server, bodies
                )


def _bodies(connection: int, messages: int, days: int) -> Iterator[tuple[str, bytes]]:
    """Yield the path and body of each request of a connection; without days, the times are of the arrival."""
    chance, now = random.Random(connection), wall_clock()
    for first in range(0, messages, _BATCH):
        numbers = range(first, min(first + _BATCH, messages))
        new = [_message(connection * messages + number, chance) for number in numbers]
        verified = [
            {"message_id": message["message_id"], "delivered": True}
            for message in new
            if chance.random() < _VERIFIED
        ]
        if days:
            at = {
                message_id(connection * messages + number): requested_at(number, messages, now)
                for number in numbers
            }
            for message in new:
                message["requested_at"] = at[str(message["message_id"])]
            for conversion in verified:
                took = chance.randrange(5_000, 90_000)
                conversion["conversion_time"] = at[str(conversion["message_id"])] + took
        yield "messages", json.dumps({"messages": new}).encode()
        yield "conversions", json.dumps({"conversions": verified}).encode()


def _message(number: int, chance: random.Random) -> dict[str, object]:
    dimensions = chance.choice(COMBINATIONS)
    return {
        "message_id": message_id(number),
        "to": f"+49151{chance.randrange(10_000_000, 100_000_000)}",
        "country": dimensions.country,
        "carrier": dimensions.carrier,
        "provider": dimensions.provider,
        "template": dimensions.template,
        "session_id": f"session {number}",
        "attempt": 1,
    }


def _measure(
    database: PostgresServer, server: LocalServer, bodies: list[list[tuple[str, bytes]]]
) -> dict[str, object]:
    with psycopg.connect(database.url, autocommit=True) as looking:
        before = time.process_time(), tree_cpu_s(server.pid), database.cpu_s()
        started = time.perf_counter()
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            count = sum(pool.map(lambda part: sum(_send(server, part)), bodies))
        sent_s = time.perf_counter() - started
        client_s = time.process_time() - before[0]
        while looking.execute(_LEFT).fetchall() != [(0,)]:
            time.sleep(0.05)
        took_s = time.perf_counter() - started
        used = {"applier": 0.0, "others": 0.0}
        for name, pid in looking.execute(_BACKENDS).fetchall():
            used[name] += tree_cpu_s(pid)
        database_s, node_s = database.cpu_s() - before[2], tree_cpu_s(server.pid) - before[1]
    each = {
        "client": client_s,
        "node": node_s,
        "database, applier": used["applier"],
        "database, journal and look-ups": used["others"],
        "database, other processes": database_s - sum(used.values()),
    }
    return {
        "reports": count,
        "acknowledged a second": round(count / sent_s),
        "in the ledger a second": round(count / took_s),
        "CPU us a report": {name: round(cpu_s / count * 1e6, 1) for name, cpu_s in each.items()},
        "cores used": round((client_s + node_s + database_s) / took_s, 2),
    }


def _send(server: LocalServer, bodies: list[tuple[str, bytes]]) -> Iterator[int]:
    key = b64encode(f"{server.access_key_id}:{server.access_key_secret}".encode()).decode()
    headers = {"authorization": f"Basic {key}", "content-type": "application/json"}
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    for kind, body in bodies:
        while True:
            connection.request("POST", f"/v1/{kind}", body, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
            if response.status != 503:  # noqa: PLR2004 - the server asks to come again
                break
            time.sleep(float(response.headers.get("retry-after", "0.1")))
        if "recorded" not in answer:
            raise SystemExit(f"{response.status}: {answer}")
        yield answer["recorded"]
    connection.close()
