"""`otpconv ledger copy` under load and killed, between SQLite and PostgreSQL: nothing is lost or doubled."""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import psycopg
import pytest

import postgresql
from campaigns import LONG_FORM, rounds
from cli.commands import otpconv
from faults.test_backup import Load, loaded
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.model import Conversion, Dimensions, Report, Requested
from otpconv.service import data_folder
from otpconv.service.numbers import open_number_hash
from otpconv.storage.contract import DAY_MS, Entry
from otpconv.storage.sqlite import SqliteJournal

#: Messages that are there before the copy begins.
MESSAGES = 1_000_000 if LONG_FORM else 1_000
PART = 500
KILLS = rounds(20, at_least=1)
FORGOTTEN = "+34600000001"


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a database without its password, which libpq finds in the environment."""
    monkeypatch.setenv("PGPASSWORD", postgresql.PASSWORD)
    with ExitStack() as opened:
        server = postgresql.shared()
        if LONG_FORM:  # a million messages need the room of a disk
            server = opened.enter_context(postgresql.running(Path(tempfile.gettempdir()), postgresql.FAST))
        name = opened.enter_context(postgresql.new_database(server)).rpartition("/")[2]
        yield f"postgresql://{postgresql.USER}@127.0.0.1:{server.port}/{name}"


def fill(data: Path, now: int) -> None:
    """Write messages of ten days into the journal, with what happens to messages."""
    chance = random.Random(5)
    number_hash = open_number_hash(load(data=data))
    with closing(SqliteJournal(data / "journal.sqlite")) as journal:
        for part in range(MESSAGES // PART):
            reports: list[Report] = []
            for n in range(part * PART, (part + 1) * PART):
                at = now - 10 * DAY_MS + n * (9 * DAY_MS // MESSAGES)
                number = number_hash(1, FORGOTTEN if n % 1_000 == 7 else f"+34611{n % 5_000:06}")
                of = Dimensions(chance.choice(("DE", "ES", "FR")), provider=chance.choice(("acme", "best")))
                reports.append(Requested(1, f"old {n}", at, of, number, "+34611", f"s{n // 3}", n % 3 + 1))
                if n % 10 < 7:
                    reports.append(
                        Conversion(1, delivered=True, conversion_time=at + 5_000, message_id=f"old {n}")
                    )
                elif n % 10 == 8:
                    reports.append(
                        Conversion(1, delivered=n % 20 == 8, conversion_time=at + 9_000, number=number)
                    )
            journal.append([Entry(report, n, at) for n, report in enumerate(reports)], at)


def copied(source: object, target: object, data: Path) -> dict[str, object]:
    words = ["ledger", "copy", "--from", source, "--to", target, "--data", data, "--json"]
    command = [sys.executable, "-m", "otpconv", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3_600, check=False)  # noqa: S603 - our own
    assert postgresql.PASSWORD not in done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    assert result["ok"] is True
    return result


def copied_after_kills(source: object, target: object, data: Path, chance: random.Random) -> None:
    """Copy under load: some copies are killed, the last one catches up."""
    words = ["ledger", "copy", "--from", source, "--to", target, "--data", data]
    for _ in range(KILLS):
        with subprocess.Popen([sys.executable, "-m", "otpconv", *map(str, words)]) as process:  # noqa: S603 - our own
            time.sleep(1.0 + chance.random() * (0.5 + MESSAGES / 50_000))
            process.kill()
    copied(source, target, data)


def exported(**settings: object) -> bytes:
    """The file that `otpconv export` writes."""
    file = Path(str(settings["data"])) / "export.ndjson"
    ledger = {"ledger": str(settings["ledger"])} if "ledger" in settings else {}
    done = otpconv("export", "--output", file, "--data", settings["data"], **ledger)
    assert done.returncode == 0, done.stderr
    return file.read_bytes()


def rates(server: LocalServer, auth: tuple[str, str]) -> object:
    answer = httpx.get(f"{server.url}/v1/rates?by=country,provider&start=20d&end=now", auth=auth, timeout=60)
    assert answer.status_code == 200, answer.text
    # How many messages may still be verified depends on the time of the question.
    late = ("pending", "expected")
    return [
        {name: row[name] for name in row if not any(word in name for word in late)}
        for row in answer.json()["rows"]
    ]


@pytest.mark.long("starts servers, and fills and copies storages under load")
@pytest.mark.campaign("the command is below, interruptions are in tests/storage/test_copying.py")
def test_from_sqlite_to_postgresql_and_back_under_load(
    make_server: Callable[..., LocalServer], tmp_path: Path, url: str
) -> None:
    chance = random.Random(11)
    server = make_server()
    server.start()
    server.stop()
    fill(server.data, wall_clock())
    server.start()
    auth = (server.access_key_id, server.access_key_secret)
    assert otpconv("forget", "--number", FORGOTTEN, "--data", server.data).returncode == 0
    with loaded(server) as first:
        copied_after_kills(server.data, url, server.data, chance)
    before = rates(server, auth)
    assert server.stop() == 0
    assert copied(server.data, url, server.data)["lag"] == 0
    assert exported(data=server.data) == exported(data=server.data, ledger=url)

    moved = make_server(server.data, {"OTPCONV_LEDGER": url})
    moved.start()
    moved.access_key_id, moved.access_key_secret = auth
    assert rates(moved, auth) == before
    back = tmp_path / "back"
    with loaded(moved, "second-") as second:
        copied_after_kills(url, back, server.data, chance)
    assert moved.stop() == 0
    assert copied(url, back, server.data)["lag"] == 0
    assert_complete(first, second)
    lines = exported(data=back)
    assert lines == exported(data=server.data, ledger=url)
    known = {json.loads(line)["message_id"] for line in lines.splitlines()}
    kept = {f"old {n}" for n in range(MESSAGES) if n % 1_000 != 7}
    assert {id_ for id_ in known if id_.startswith("old")} == kept
    assert {*first.acknowledged, *second.acknowledged} <= known
    assert (
        open_number_hash(load(data=back))(1, FORGOTTEN).encode() not in (back / "journal.sqlite").read_bytes()
    )
    again = make_server(back)
    again.start()
    assert httpx.get(f"{again.url}/v1/rates", auth=auth).status_code == 200


def assert_complete(*loads: Load) -> None:
    for each in loads:
        assert each.errors == []
        assert each.acknowledged


def test_a_copy_to_postgresql_and_back_has_everything(
    make_server: Callable[..., LocalServer], tmp_path: Path, url: str
) -> None:
    server = make_server()
    with server:
        auth = (server.access_key_id, server.access_key_secret)
        messages = [{"message_id": f"m{n}", "to": f"+3461100000{n}", "country": "ES"} for n in range(9)]
        body = {"messages": messages}
        assert httpx.post(f"{server.url}/v1/messages", json=body, auth=auth).json()["recorded"] == 9
    before = exported(data=server.data)
    assert len(before.splitlines()) == 9
    for source, target in ((server.data, url), (url, tmp_path / "back")):
        words = ("--from", source, "--to", target, "--data", server.data, "--json")
        result = json.loads(otpconv("ledger", "copy", *words).stdout)
        assert (result["ok"], result["lag"]) == (True, 0)
    assert exported(data=tmp_path / "back") == before


def test_a_copy_names_what_is_wrong(server: LocalServer, tmp_path: Path) -> None:
    def refused(*words: object, code: int = 2) -> str:
        done = otpconv("ledger", "copy", *words)
        assert done.returncode == code, done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr

    assert "other users" in refused("--from", server.data, "--to", "postgresql://u:sesame@h/d")
    assert "sesame" not in refused("--from", server.data, "--to", "postgresql://u@h/d?password=sesame")
    assert "same storage" in refused("--from", server.data, "--to", server.data)
    assert "no server has used it" in refused("--from", tmp_path / "none", "--to", tmp_path / "b")
    # With another sealing key, the secrets could not be read.
    other = tmp_path / "other"
    other.mkdir()
    data_folder.write_private(other / "sealing.key", "A" * 43 + "=")
    assert "another sealing key" in refused("--from", server.data, "--to", other)


def test_a_newer_database_is_refused(server: LocalServer, url: str) -> None:
    assert otpconv("ledger", "init", ledger=url).returncode == 0
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("UPDATE otpconv.versions SET version = 99")
    done = otpconv("ledger", "copy", "--from", server.data, "--to", url)
    assert done.returncode == 2
    assert "upgrade otpconv" in done.stderr
