"""The commands of docs/how-to/backup.md: the restored database is whole, and a node goes on or refuses it."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import httpx
import psycopg
import pytest

import postgresql
from cli.commands import otpconv
from faults.test_backup import Load, loaded
from otpconv.cli.local_server import LocalServer
from otpconv.errors import Misconfigured

HOW_TO = Path(__file__).parents[2] / "docs/how-to/backup.md"
#: What a physical backup needs; as by default.
REPLICATED = {**postgresql.FAST, "wal_level": "replica", "max_wal_senders": "4"}
Wait = Callable[[Callable[[], bool], bool], None]


def commands(title: str) -> list[str]:
    """The lines of the code in a section."""
    section = HOW_TO.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [
        line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()
    ]


def test_the_how_to_has_the_commands_that_are_tested() -> None:
    words = [line.split()[0] for line in commands("The whole server")]
    assert words == ["pg_basebackup", "pg_verifybackup", "cp", "pg_ctl", "otpconv"]
    words = [line.split()[0] for line in commands("A small one")]
    assert words == ["pg_dump", "pg_restore", "otpconv", "otpconv"]


@pytest.fixture(scope="module")
def primary() -> Iterator[postgresql.PostgresServer]:
    with postgresql.running(postgresql.memory(), REPLICATED) as server:
        yield server


def run_in(server: postgresql.PostgresServer, line: str, url: str) -> None:
    """Run a line of the how-to as the user of a server, in its folder."""
    line = line.replace("/backup/", f"{server.folder}/")
    server.run("/bin/sh", "-ec", line, OTPCONV_LEDGER=url)


def run_ours(line: str, data: Path, url: str) -> "subprocess.CompletedProcess[str]":
    done = otpconv(*line.split()[1:], "--data", data, ledger=url)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def known(server: LocalServer, auth: tuple[str, str]) -> int:
    """How many messages the server counts."""
    answer = httpx.get(f"{server.url}/v1/rates?start=1d&end=now", auth=auth, timeout=60)
    return int(answer.json()["rows"][0]["requested"])


def goes_on(server: LocalServer, load: Load, before: set[str]) -> None:
    """Check that a restored server has all that was acknowledged before a backup, and counts new reports."""
    server.start()
    auth = load.server.access_key_id, load.server.access_key_secret
    with httpx.Client(base_url=server.url, auth=auth, timeout=60) as client:
        assert all(client.get(f"/v1/messages/{id_}").status_code == 200 for id_ in sorted(before)[::20])
        count = known(server, auth)
        assert len(before) <= count <= len(load.acknowledged)
        answer = client.post("/v1/messages", json={"messages": [{"message_id": "after-the-backup"}]})
        assert answer.json()["recorded"] == 1
        assert known(server, auth) == count + 1
    assert server.stop() == 0


@pytest.mark.long("takes a backup under load, and starts two servers on it")
def test_a_physical_backup_under_load_is_whole(
    primary: postgresql.PostgresServer, make_server: Callable[..., LocalServer], eventually: Wait
) -> None:
    assert otpconv("ledger", "init", ledger=primary.url).returncode == 0
    server = make_server(None, {"OTPCONV_LEDGER": primary.url})
    server.start()
    backup, check, copy, start, verify = commands("The whole server")
    with loaded(server) as load:
        eventually(lambda: len(load.acknowledged) > 200, True)
        before = set(load.acknowledged)
        run_in(primary, backup, primary.socket_url)
        during = len(load.acknowledged) - len(before)
    assert load.errors == []
    assert during
    server.kill()
    run_in(primary, check, primary.socket_url)

    def restore(restored: postgresql.PostgresServer) -> None:
        line = copy.replace("/var/lib/postgresql/restored", f"{restored.folder}/data")
        run_in(primary, line, "")

    assert "pg_ctl" in start  # the tests start it in the foreground
    restored = postgresql.PostgresServer(postgresql.memory(), REPLICATED, restored=restore)
    try:
        restored.start()
        done = run_ours(f"{verify} --json", server.data, restored.url)
        assert json.loads(done.stdout)["ok"] is True
        goes_on(make_server(server.data, {"OTPCONV_LEDGER": restored.url}), load, before)
    finally:
        restored.remove()


@pytest.mark.campaign("the physical backup of the same page is restored in the test after it")
@pytest.mark.long("a node of the dump counts as running for 5 s")
def test_a_dump_is_whole_and_a_newer_ledger_beside_it_is_refused(
    primary: postgresql.PostgresServer, make_server: Callable[..., LocalServer], eventually: Wait
) -> None:
    dump, restore, *ours = commands("A small one")
    with postgresql.new_database(primary) as url, postgresql.new_database(primary) as other:
        socket = {
            name: primary.socket_url.replace("/postgres?", f"/{name.rpartition('/')[2]}?")
            for name in (url, other)
        }
        assert otpconv("ledger", "init", ledger=url).returncode == 0
        server = make_server(None, {"OTPCONV_LEDGER": url})
        server.start()
        with loaded(server) as load:
            eventually(lambda: len(load.acknowledged) > 200, True)
            before = set(load.acknowledged)
            run_in(primary, dump, socket[url])
            seen = len(load.acknowledged)
            eventually(lambda: len(load.acknowledged) > seen + 100, True)
        assert server.stop() == 0
        run_in(primary, restore, socket[other])
        rebuild, verify = ours
        # In the dump the node was running: for 5 s, nobody knows that it is not.
        rebuilt = partial(otpconv, *rebuild.split()[1:], "--data", server.data)
        eventually(lambda: rebuilt(ledger=other).returncode == 0, True)
        run_ours(verify, server.data, other)
        goes_on(make_server(server.data, {"OTPCONV_LEDGER": other}), load, before)
        # The reports alone, beside the ledger that has counted more.
        with closing(psycopg.connect(socket[url], autocommit=True)) as connection:
            connection.execute("DROP SCHEMA otpconv CASCADE")
        run_in(primary, restore, socket[url])
        again = make_server(server.data, {"OTPCONV_LEDGER": url})
        with pytest.raises(Misconfigured, match="ahead of the journal"):
            again.start()
        done = otpconv("doctor", "--data", server.data, ledger=url)
        assert "ahead of the journal" in done.stdout
        eventually(lambda: rebuilt(ledger=url).returncode == 0, True)
        goes_on(make_server(server.data, {"OTPCONV_LEDGER": url}), load, before)
