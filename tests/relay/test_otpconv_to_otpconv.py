"""One otpconv relays to another, by Alibaba's dialect and by the webhook, while both are killed."""

import base64
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from campaigns import rounds
from otpconv.cli.local_server import LocalServer

#: Messages of one round; half of them go by each vendor account.
MESSAGES = 60
PATIENCE_S = 60


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port: int = bound.getsockname()[1]
        return port


def client(server: LocalServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, auth=(server.access_key_id, server.access_key_secret))


def post(server: LocalServer, what: str, items: list[dict[str, object]]) -> None:
    with client(server) as opened:
        answer = opened.post(f"/v1/{what}", json={what: items})
    assert answer.json()["rejected"] == [], answer.text


def relays_to(source: LocalServer, vendor: LocalServer) -> None:
    """Create the vendor accounts `ali` and `hook` at the source."""
    key, secret = vendor.access_key_id, vendor.access_key_secret
    login = base64.b64encode(f"{key}:{secret}".encode()).decode()
    settings = {
        "alibaba": {"endpoint": vendor.url, "access_key_id": key, "access_key_secret": secret},
        "webhook": {
            "endpoint": f"{vendor.url}/v1/conversions",
            "signing_secret": "whsec_c2VjcmV0",
            "authorization": f"Basic {login}",
        },
    }
    with client(source) as opened:
        for kind, values in settings.items():
            body = {"name": kind, "kind": kind, "provider": kind, "settings": values}
            assert opened.post("/v1/vendors", json=body).status_code == 201


def relay_of(server: LocalServer) -> list[int]:
    """The processes that a server has started."""
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{server.pid}/task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def kill(server: LocalServer, chance: random.Random) -> None:
    """Kill a server, or the process of its relay alone."""
    if chance.random() < 0.5 and (processes := relay_of(server)):
        with suppress(ProcessLookupError):
            os.kill(processes[0], signal.SIGKILL)
        return
    server.kill()
    server.start()


def known(server: LocalServer, ids: list[str]) -> dict[str, object]:
    """What a ledger has of some messages."""
    with client(server) as opened:
        answers = {name: opened.get(f"/v1/messages/{name}").json() for name in ids}
    fields = ("verified", "verified_at", "delivered_true_first")
    return {name: [answer.get(field) for field in fields] for name, answer in answers.items()}


@pytest.mark.campaign("test_own_dialects.py relays to a server that is not killed")
@pytest.mark.long("it starts servers again and again, and waits for breakers")
def test_both_ledgers_agree_after_kills(make_server: Callable[..., LocalServer], tmp_path: Path) -> None:
    chance = random.Random(7)
    source = make_server()
    vendor = LocalServer(tmp_path / "vendor", port=free_port())
    with vendor:
        source.start()
        relays_to(source, vendor)
        ids = []
        for number in range(rounds(20, at_least=2)):
            some = [f"m{number}-{each}" for each in range(MESSAGES)]
            ids += some
            now = int(time.time() * 1000)  # noqa: TID251 - of the servers' clock
            messages: list[dict[str, object]] = [
                {
                    "message_id": name,
                    "requested_at": now - 5_000,
                    "provider": chance.choice(["alibaba", "webhook"]),
                }
                for name in some
            ]
            conversions: list[dict[str, object]] = [
                {"message_id": name, "delivered": True, "conversion_time": now - place}
                for place, name in enumerate(some)
            ]
            post(vendor, "messages", messages)
            # A conversion may come before its message.
            for what, items in chance.sample([("messages", messages), ("conversions", conversions)], 2):
                post(source, what, items)
            time.sleep(chance.random() * 0.3)
            kill(chance.choice([source, vendor]), chance)
        expected = known(source, ids)
        assert all(found[0] for found in expected.values())  # type: ignore[index]
        deadline = time.monotonic() + PATIENCE_S
        while (found := known(vendor, ids)) != expected and time.monotonic() < deadline:
            time.sleep(0.2)
        assert found == expected
        with client(source) as opened:
            states = opened.get("/v1/relay").json()["vendors"]
        while sum(state["sent"] for state in states) < len(ids) and time.monotonic() < deadline:
            with client(source) as opened:
                states = opened.get("/v1/relay").json()["vendors"]
        assert sum(state["sent"] for state in states) == len(ids)
        assert [state["dead"] + state["unknown"] + state["waiting"] for state in states] == [0, 0]
