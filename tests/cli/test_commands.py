"""The commands, run as people run them."""

import csv
import json
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli.commands import Run, client_of, in_a_process, otpconv
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.cli.main import app

pytestmark = pytest.mark.long("each test starts a server and runs several commands")


@pytest.fixture
def own_server(make_server: Callable[..., LocalServer]) -> LocalServer:
    """A running server with nothing in it."""
    server = make_server()
    server.start()
    return server


def commands(group: object, path: str = "") -> list[str]:
    """All commands of a group, with the path of each."""
    found: dict[str, object] = getattr(group, "commands", {})
    if not found:
        return [path]
    return [name for each in found for name in commands(found[each], f"{path} {each}".strip())]


@pytest.mark.parametrize("command", commands(get_command(app)))
def test_the_help_of_every_command_has_an_example_the_exit_codes_and_json(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert f"otpconv {command}" in shown.output.partition("Examples")[2]
    assert "Exit codes: 0 done" in shown.output
    assert "--json" in shown.output


def test_a_report_makes_a_rate_that_the_table_and_json_show(at: Run, own: httpx.Client) -> None:
    messages = [{"message_id": f"m{n}", "country": "DE", "provider": "acme"} for n in range(4)]
    own.post("/v1/messages", json={"messages": messages}).raise_for_status()
    time.sleep(0.01)
    assert at("report", "m0").stdout == "OK\n"
    assert json.loads(at("report", "m1", "--json").stdout)["ResponseCode"] == "OK"
    assert at("report", "m2", "--not-delivered").returncode == 0
    answer = json.loads(at("rates", "--by", "country,provider", "--json").stdout)
    assert [(row["country"], row["requested"], row["verified"]) for row in answer["rows"]] == [("DE", 4, 2)]
    table = at("rates", "--by", "country,provider", "--where", "country=DE").stdout
    assert re.search(r"DE .* acme .* 4 .* 2 .* 50\.0%", table)
    assert "\x1b" not in table


def test_rates_come_as_a_table_as_csv_and_as_a_drawing(at: Run, own: httpx.Client, tmp_path: Path) -> None:
    messages = [
        {"message_id": f"{country}{n}", "country": country}
        for country in ("DE", "FR", "ES")
        for n in range(4)
    ]
    own.post("/v1/messages", json={"messages": messages}).raise_for_status()
    assert at("report", "FR1").returncode == 0
    shown = at("rates", "--by", "country", "--top", "1", "--order", "-verified", "--compare", "day").stdout
    assert re.search(r"FR .* 4 .* 1 .* 25\.0% .* 4\.6% to 69\.9% .* 3 ", shown)
    assert re.search(r"\(2 others\) .* 8 .* 0 .* 0\.0%", shown)
    assert "pending: younger than 10.0 min, not learned yet" in shown
    rows = list(csv.DictReader(at("rates", "--by", "country", "--csv").stdout.splitlines()))
    assert [(row["country"], row["requested"], row["level"]) for row in rows] == [
        (country, "4", "message") for country in ("DE", "ES", "FR")
    ]
    assert re.search(r"FR +█+░+ +25\.0%", at("rates", "--by", "country", "--plot").stdout)
    drawn = at("rates", "--interval", "1h", "--plot").stdout
    assert re.search(r"\nall: 8\.3% -> 8\.3% .*\n( *[0-9.]+% ┤.*\n| +│.*\n)+", drawn)
    for name, beginning in (("rates.svg", b"<svg"), ("rates.png", b"\x89PNG")):
        assert at("rates", "--by", "country", "--plot", str(tmp_path / name)).returncode == 0
        assert (tmp_path / name).read_bytes().startswith(beginning)
    for wrong in (["a.gif", "--plot"], ["a.svg"], ["--plot", "/nowhere/a.svg"]):
        refused = at("rates", *wrong)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert at("rates", "--csv", "--by", "weather").returncode == 1


def test_refusals_are_one_line_and_an_exit_code_of_their_own(
    at: Run, server: LocalServer, key: AccessKey
) -> None:
    refused = in_a_process("report", "not an id", **client_of(server, key))
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "InvalidMessageId" in refused.stderr
    assert at("rates", "--by", "weather").returncode == 1
    assert in_a_process("rates", "--bogus").returncode == 2
    assert otpconv("rates", key_file="/nowhere").returncode == 2
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    away = in_a_process("rates", **client_of(server, key) | {"endpoint": f"http://127.0.0.1:{port}"})
    assert (away.returncode, away.stderr.count("\n")) == (3, 1)
    assert "otpconv serve" in away.stderr


def test_keys_take_effect_in_a_running_server_within_a_second(server: LocalServer) -> None:
    data = ("--data", server.data)
    made = json.loads(otpconv("keys", "create", "app", "--policy", "OtpconvReadOnly", *data, "--json").stdout)
    auth = (made["AccessKeyId"], made["AccessKeySecret"])

    def status_soon(expected: int) -> int:
        deadline = time.monotonic() + 1.5
        while (status := httpx.get(f"{server.url}/v1/rates", auth=auth).status_code) != expected:
            if time.monotonic() > deadline:
                break
        return status

    assert status_soon(200) == 200
    listed = otpconv("keys", "list", *data, "--json").stdout
    assert made["AccessKeyId"] in listed
    assert made["AccessKeySecret"] not in listed
    assert otpconv("keys", "disable", made["AccessKeyId"], *data).returncode == 0
    assert status_soon(401) == 401
    assert otpconv("keys", "enable", made["AccessKeyId"], *data).returncode == 0
    assert status_soon(200) == 200
    assert otpconv("keys", "delete", made["AccessKeyId"], *data).returncode == 0
    assert status_soon(401) == 401
    assert otpconv("keys", "delete", "LTAInone", *data).returncode == 1
    assert otpconv("keys", "create", "x", "--policy", "Nonsense", *data).returncode == 1


def test_the_first_calls_that_serve_prints_work_as_pasted(tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [sys.executable, "-m", "otpconv", "serve", "--port", "0", "--data", str(data)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)  # noqa: S603
        assert process.stdout is not None
        printed = ""
        while "/v1/rates" not in printed:
            printed += process.stdout.readline()
        # A person takes longer between two pastes than the applier takes to follow.
        pasted = printed[printed.index("  curl") :].replace("\n  curl", "\n  sleep 0.5; curl")
        done = subprocess.run(["bash", "-ec", pasted], capture_output=True, text=True, check=True)  # noqa: S603, S607
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()
    assert '"recorded":1' in done.stdout
    assert '"country":"DE"' in done.stdout
    _, _, secret = (data / "first-key").read_text().strip().partition(":")
    logged = (tmp_path / "log").read_text()
    assert secret not in logged + printed
    assert "15112345678" not in logged


CSV = """message_id,requested_at,to,prov,delivered,conversion_time
a1,2026-11-20T12:00:00Z,+4915112345678,acme,true,2026-11-20T12:00:31Z
a2,2026-11-20T12:00:05Z,+33612345678,acme,,
bad id,2026-11-20T12:00:05Z,+33612345678,acme,,
a3,2026-11-20T12:00:05Z,+1,"ac
me",,
a4,yesterday,+33612345678,acme,,
"""


def test_an_import_counts_keeps_rejects_with_reasons_and_does_no_harm_again(at: Run, tmp_path: Path) -> None:
    file = tmp_path / "vendor.csv"
    file.write_bytes(b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode())
    first = at("import", file, "--map", "provider=prov", "--set", "template=login", "--json")
    assert first.returncode == 1, first.stderr
    told = json.loads(first.stdout)
    assert (told["recorded"], told["rejected"]) == (3, 3)
    rejects = [json.loads(line) for line in Path(f"{file}.rejects.ndjson").read_text().splitlines()]
    assert [reject["line"] for reject in rejects] == sorted(reject["line"] for reject in rejects)
    assert len(rejects) == 3
    again = json.loads(
        at("import", file, "--map", "provider=prov", "--set", "template=login", "--json").stdout
    )
    assert (again["recorded"], again["unchanged"]) == (0, 3)
    window = ("--start", "2026-11-20", "--end", "2026-11-21", "--json")
    rows = json.loads(at("rates", "--by", "country,provider,template", *window).stdout)["rows"]
    assert [(row["country"], row["template"], row["requested"], row["verified"]) for row in rows] == [
        ("DE", "login", 1, 1),
        ("FR", "login", 1, 0),
    ]


def test_an_imported_status_without_a_time_counts_in_the_rate_and_in_no_time_to_verify(
    at: Run, server: LocalServer, key: AccessKey, tmp_path: Path
) -> None:
    file = tmp_path / "status-only.csv"
    file.write_text(
        "message_id,requested_at,to,provider,delivered\n"
        "so-0,2026-11-20T08:00:00+00:00,+4915112000000,so,false\n"
        "so-1,2026-11-20T08:01:00+00:00,+4915112000001,so,true\n"
        ",2026-11-20T08:01:00+00:00,+4915112000002,,true\n"
    )
    told = json.loads(at("import", file, "--json").stdout)
    assert (told["recorded"], told["rejected"]) == (4, 1)
    assert "conversion_time" in Path(f"{file}.rejects.ndjson").read_text()
    again = json.loads(at("import", file, "--json").stdout)
    assert (again["recorded"], again["unchanged"]) == (0, 4)
    window = ("--start", "2026-11-20", "--end", "2026-11-21", "--json")
    (found,) = json.loads(at("rates", *window).stdout)["rows"]
    assert (found["requested"], found["verified"], found["reported_share"], found["p50_ms"]) == (
        2,
        1,
        1,
        None,
    )
    exported = otpconv("export", "--data", server.data, "--account", key.account_name)
    assert [json.loads(line).get("conversion_time") for line in exported.stdout.splitlines()] == [None, None]


@pytest.mark.parametrize("kind", ["ndjson", "csv"])
def test_what_is_exported_makes_the_same_rates_where_it_is_imported(
    server: LocalServer, make_key: Callable[..., AccessKey], tmp_path: Path, kind: str
) -> None:
    source, target = make_key(), make_key()
    file = tmp_path / "in.csv"
    file.write_text(CSV.replace("prov", "provider"))
    otpconv("import", file, **client_of(server, source))
    extra = [
        {"message_id": "a2", "delivered": False, "conversion_time": 1_795_000_000_000},
        {"message_id": "later", "delivered": True, "conversion_time": 1_795_000_000_000},
        {"message_id": "a2", "delivered": True, "conversion_time": None},
    ]
    auth = (source.access_key_id, source.secret)
    httpx.post(f"{server.url}/v1/conversions", json={"conversions": extra}, auth=auth).raise_for_status()

    def rates(key: AccessKey) -> dict[str, object]:
        query = "/v1/rates?start=2026-11-20&end=2026-11-21&by=country,carrier,provider&interval=1h"
        answer: dict[str, object] = httpx.get(
            f"{server.url}{query}", auth=(key.access_key_id, key.secret)
        ).json()
        return answer

    before = rates(source)  # an answer has all reports; an export reads only the ledger
    exported = tmp_path / f"out.{kind}"
    done = otpconv("export", "--data", server.data, "--account", source.account_name, "--output", exported)
    assert done.returncode == 0, done.stderr
    taken = otpconv("import", exported, **client_of(server, target))
    assert taken.returncode == 0, taken.stderr
    assert rates(target) == before
    assert before["unmatched"] == 1


def test_the_demo_equals_the_truth() -> None:
    played = otpconv("demo", "--check", "--messages", "1500", "--seed", "7", "--json")
    assert played.returncode == 0, played.stderr
    assert json.loads(played.stdout)["equal"] is True


def test_doctor_finds_a_rollup_that_was_changed_and_a_rebuild_corrects_it(own_server: LocalServer) -> None:
    auth = (own_server.access_key_id, own_server.access_key_secret)
    messages = [{"message_id": f"m{n}"} for n in range(50)]
    httpx.post(f"{own_server.url}/v1/messages", json={"messages": messages}, auth=auth).raise_for_status()
    data = ("--data", own_server.data)
    assert otpconv("rates", **client_of(own_server)).returncode == 0
    refused = otpconv("ledger", "rebuild", *data)
    assert refused.returncode == 2
    assert f"a server runs on {own_server.data}" in refused.stderr
    own_server.stop()
    assert otpconv("doctor", *data).returncode == 0
    with closing(sqlite3.connect(own_server.data / "ledger.sqlite")) as connection, connection:
        connection.execute("UPDATE rollups SET requested = requested + 1")
    sick = otpconv("doctor", *data)
    assert sick.returncode == 1
    assert "run `otpconv ledger rebuild`" in sick.stdout
    assert (
        otpconv("ledger", "rebuild", *data).stdout == "the ledger is rebuilt from 50 entries of the journal\n"
    )
    assert otpconv("doctor", *data).returncode == 0


def test_doctor_names_a_damaged_row_of_the_journal_and_counts_without_it(own_server: LocalServer) -> None:
    auth = (own_server.access_key_id, own_server.access_key_secret)
    for n in range(5):
        messages = [{"message_id": f"m{n}"}]
        httpx.post(f"{own_server.url}/v1/messages", json={"messages": messages}, auth=auth).raise_for_status()
    own_server.stop()
    data = ("--data", own_server.data)
    with closing(sqlite3.connect(own_server.data / "journal.sqlite")) as connection, connection:
        connection.execute("UPDATE batches SET reports = replace(reports, 'm2', 'm9')")
    for command in ("doctor", "ledger rebuild", "ledger verify"):
        sick = otpconv(*command.split(), *data)
        assert sick.returncode in {1, 2}
        assert re.search(
            r"the row at position \d+ is damaged \(its checksum differs\)", sick.stdout + sick.stderr
        )
        assert "otpconv ledger rebuild --set-aside" in sick.stdout + sick.stderr
    done = otpconv("ledger", "rebuild", "--set-aside", "--json", *data)
    assert done.returncode == 0, done.stdout
    (problem,) = json.loads(done.stdout)["set_aside"]
    assert "its checksum differs" in problem
    assert otpconv("doctor", *data).returncode == 0
    assert otpconv("ledger", "verify", *data).returncode == 0
    own_server.start()
    assert json.loads(otpconv("rates", "--json", **client_of(own_server)).stdout)["rows"][0]["requested"] == 4


def test_a_server_makes_the_ledger_of_an_older_version_anew(own_server: LocalServer) -> None:
    auth = (own_server.access_key_id, own_server.access_key_secret)
    messages = [{"message_id": f"m{n}"} for n in range(50)]
    httpx.post(f"{own_server.url}/v1/messages", json={"messages": messages}, auth=auth).raise_for_status()
    own_server.stop()
    with closing(sqlite3.connect(own_server.data / "ledger.sqlite")) as connection, connection:
        connection.execute("DROP TABLE rollups")
        connection.execute("PRAGMA user_version = 1")
    export = otpconv("export", "--data", own_server.data)
    assert export.returncode == 2
    assert "otpconv ledger rebuild" in export.stderr
    own_server.start()
    assert (
        json.loads(otpconv("rates", "--json", **client_of(own_server)).stdout)["rows"][0]["requested"] == 50
    )


def test_without_the_servers_libraries_a_command_says_what_to_install() -> None:
    blocked = (
        "import sys\n"
        "for name in ('granian', 'pydantic_settings', 'apsw', 'starlette'):\n"
        "    sys.modules[name] = None\n"
        "sys.argv = ['otpconv', 'serve']\n"
        "from otpconv.cli.main import run\n"
        "run()\n"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", blocked], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "pip install 'otpconv[server]'" in done.stderr
    assert "Traceback" not in done.stderr
