"""Requests on their way from granian to the event loop: a crowd of them, and clients that leave."""

import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from web.wire import Reply, Request, administrator, send, v1, v3

CLIENTS = 48
#: A stop waits so long for requests in progress.
WAITS_FOR_REQUESTS_S = 10


def test_everybody_gets_their_own_answer_when_many_ask_at_once(server: LocalServer, key: AccessKey) -> None:
    """Calls with and without a body, refused ones, and paths that are not calls, side by side."""

    def ask(number: int) -> Reply:
        report = {"MessageId": f"crowd-{number}", "Delivered": "true"}
        kinds = (
            v3(key, report),
            v1(key, report, method="POST", form=True),
            v3(key, {"Delivered": f"n{number}"}),
            Request("GET", "/healthz"),
        )
        return send(server.url, kinds[number % len(kinds)])

    with ThreadPoolExecutor(CLIENTS) as pool:
        replies = list(pool.map(ask, range(20 * CLIENTS)))
    assert [reply.status for reply in replies] == [200, 200, 400, 200] * 5 * CLIENTS
    calls = [reply for number, reply in enumerate(replies) if number % 4 < 3]
    assert len({reply.json["RequestId"] for reply in calls}) == len(calls)
    assert {reply.json.get("ResponseCode", reply.json.get("Code")) for reply in calls} == {
        "OK",
        "InvalidDelivered",
    }


def test_who_leaves_before_the_answer_harms_nobody_and_is_not_waited_for(
    make_server: Callable[..., LocalServer],
) -> None:
    with make_server() as server:
        key = administrator(server)
        where = urlsplit(server.url)
        for number in range(50):
            request = v1(key, {"MessageId": f"gone-{number}", "Delivered": "true"})
            with socket.create_connection((where.hostname, where.port), timeout=10) as raw:
                raw.sendall(f"GET {request.target} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode())
        assert send(server.url, v3(key, {"MessageId": "stays", "Delivered": "true"})).status == 200
        stopped_at = time.monotonic()
        assert server.signal(signal.SIGTERM) == 0
        assert time.monotonic() - stopped_at < WAITS_FOR_REQUESTS_S
