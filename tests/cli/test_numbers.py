"""Phone numbers on the command line: national ones with a region, and what can't be read is left out."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.commands import Run, client_of, otpconv
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


def message(client: httpx.Client, message_id: str) -> Any:  # noqa: ANN401 - JSON is anything
    return client.get(f"/v1/messages/{message_id}").json()


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that reads Chinese national numbers."""
    with LocalServer(tmp_path_factory.mktemp("chinese") / "data", {"OTPCONV_REGION": " cn "}) as running:
        yield running


@pytest.fixture
def there(chinese: LocalServer) -> Iterator[httpx.Client]:
    """A client of the Chinese server's native API."""
    auth = (chinese.access_key_id, chinese.access_key_secret)
    with httpx.Client(base_url=chinese.url, auth=auth) as client:
        yield client


@pytest.mark.parametrize(("region", "ignored"), [("", 2), ("cn", 1)])
def test_an_import_keeps_rows_without_a_number_it_cannot_read_and_says_which(
    at: Run, own: httpx.Client, tmp_path: Path, region: str, ignored: int
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(ROWS, encoding="utf-8")
    done = at("import", file, "--json", *(["--region", region] if region else []))
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["recorded"], summary["rejected"], summary["ignored"]) == (4, 0, ignored)
    assert "line 4: to is ignored: The number is a decimal" in done.stderr
    assert [message(own, f"n-{place}")["country"] for place in (1, 2, 3)] == [
        region.upper() or None,
        "CN",
        None,
    ]
    assert message(own, "262900001111222233%5E0")["number_range"] == "+491511234"


def test_a_report_is_made_by_id_without_a_number_that_cannot_be_read(
    chinese: LocalServer, there: httpx.Client
) -> None:
    at = partial(otpconv, **client_of(chinese))
    assert at("report", "a^0", "--to", "4.91511E+12").returncode == 0
    done = at("report", "a^0", "--to", "4.91511E+12")
    assert (done.returncode, done.stdout) == (0, "OK\n")
    assert "--to is ignored" in done.stderr
    assert "4.91511" not in done.stderr
    assert message(there, "a%5E0")["delivered_true_first"] is not None
    assert at("report", "--to", "13912345678").stdout == "OK\n"
    assert at("report", "--to", "015112345678", "--region", "DE").stdout == "OK\n"
    assert "MOBILE_NUMBER_ILLEGAL" in at("report", "--to", "12").stderr
    assert "ISO 3166" in at("report", "--to", "015112345678", "--region", "UK").stderr


def test_a_servers_region_reads_national_numbers_on_both_wires(
    chinese: LocalServer, there: httpx.Client
) -> None:
    # Not the number of the other test: this message must not be verified by a report from there.
    batch = {"messages": [{"message_id": "r", "to": "139 1234 5679", "requested_at": 1_780_000_000_000}]}
    answer = there.post("/v1/messages", json=batch).json()
    assert (answer["recorded"], answer["ignored"]) == (1, [])
    assert message(there, "r")["number_range"] == "+861391234"
    told = otpconv("report", "r", "--to", "13912345679", **client_of(chinese))
    assert told.stdout == "OK\n", told.stderr
    assert message(there, "r")["verified"] is True


def test_an_unknown_region_is_a_misconfiguration(tmp_path: Path) -> None:
    assert load(data=tmp_path, region="de").region == "DE"
    with pytest.raises(Misconfigured, match="OTPCONV_REGION"):
        load(data=tmp_path, region="UK")
