"""Phone numbers on the command line: national ones with a region, and what can't be read is left out."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from otpconv.cli.local_server import LocalServer
from otpconv.config import load
from otpconv.errors import Misconfigured

AT = "2026-11-20T10:00:00Z"
ROWS = f"""message_id,requested_at,to,provider
n-1,{AT},13912345678,acme
n-2,{AT},8613800138000,acme
n-3,{AT},4915112349999.5,acme
262900001111222233^0,{AT},'+4915112345678,acme
"""


def otpconv(server: LocalServer, *arguments: object) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTPCONV_")}  # noqa: TID251
    variables = {
        "OTPCONV_ENDPOINT": server.url,
        "OTPCONV_ACCESS_KEY_ID": server.access_key_id,
        "OTPCONV_ACCESS_KEY_SECRET": server.access_key_secret,
    }
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "otpconv", *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False, env=kept | variables,
    )  # fmt: skip


@pytest.fixture
def get(make_server: Callable[..., LocalServer]) -> Callable[[LocalServer, str], Any]:
    del make_server

    def read(server: LocalServer, message_id: str) -> Any:  # noqa: ANN401 - JSON is anything
        auth = (server.access_key_id, server.access_key_secret)
        return httpx.get(f"{server.url}/v1/messages/{message_id}", auth=auth).json()

    return read


@pytest.mark.parametrize(("region", "ignored"), [("", 2), ("cn", 1)])
def test_an_import_keeps_rows_without_a_number_it_cannot_read_and_says_which(
    make_server: Callable[..., LocalServer],
    get: Callable[[LocalServer, str], Any],
    tmp_path: Path,
    region: str,
    ignored: int,
) -> None:
    server = make_server()
    server.start()
    file = tmp_path / "rows.csv"
    file.write_text(ROWS, encoding="utf-8")
    done = otpconv(server, "import", file, "--json", *(["--region", region] if region else []))
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["recorded"], summary["rejected"], summary["ignored"]) == (4, 0, ignored)
    assert "line 4: to is ignored: The number is a decimal" in done.stderr
    assert [get(server, f"n-{place}")["country"] for place in (1, 2, 3)] == [
        region.upper() or None,
        "CN",
        None,
    ]
    assert get(server, "262900001111222233%5E0")["number_range"] == "+491511234"


def test_a_report_is_made_by_id_without_a_number_that_cannot_be_read(
    make_server: Callable[..., LocalServer], get: Callable[[LocalServer, str], Any]
) -> None:
    server = make_server(settings={"OTPCONV_REGION": "CN"})
    server.start()
    assert otpconv(server, "report", "a^0", "--to", "4.91511E+12").returncode == 0
    done = otpconv(server, "report", "a^0", "--to", "4.91511E+12")
    assert (done.returncode, done.stdout) == (0, "OK\n")
    assert "--to is ignored" in done.stderr
    assert "4.91511" not in done.stderr
    assert get(server, "a%5E0")["delivered_true_first"] is not None
    assert otpconv(server, "report", "--to", "13912345678").stdout == "OK\n"
    assert otpconv(server, "report", "--to", "015112345678", "--region", "DE").stdout == "OK\n"
    assert "MOBILE_NUMBER_ILLEGAL" in otpconv(server, "report", "--to", "12").stderr
    assert "ISO 3166" in otpconv(server, "report", "--to", "015112345678", "--region", "UK").stderr


def test_a_servers_region_reads_national_numbers_on_both_wires(
    make_server: Callable[..., LocalServer], get: Callable[[LocalServer, str], Any]
) -> None:
    server = make_server(settings={"OTPCONV_REGION": " cn "})
    server.start()
    auth = (server.access_key_id, server.access_key_secret)
    batch = {"messages": [{"message_id": "r", "to": "139 1234 5678", "requested_at": 1_780_000_000_000}]}
    answer = httpx.post(f"{server.url}/v1/messages", json=batch, auth=auth).json()
    assert (answer["recorded"], answer["ignored"]) == (1, [])
    assert get(server, "r")["number_range"] == "+861391234"
    told = otpconv(server, "report", "r", "--to", "13912345678")
    assert told.stdout == "OK\n", told.stderr
    assert get(server, "r")["verified"] is True


def test_an_unknown_region_is_a_misconfiguration(tmp_path: Path) -> None:
    assert load(data=tmp_path, region="de").region == "DE"
    with pytest.raises(Misconfigured, match="OTPCONV_REGION"):
        load(data=tmp_path, region="UK")
