"""The notebook for analysts answers its questions from a file that `otpconv export` wrote."""

import json
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import httpx
import pytest
from duckdb import DuckDBPyRelation

from cli.commands import client_of, otpconv
from otpconv.access.keys import AccessKey
from otpconv.cli.export_parquet import COLUMNS
from otpconv.cli.local_server import LocalServer

NOTEBOOK = Path(__file__).parents[2] / "docs" / "how-to" / "analysis.ipynb"
#: 2026-11-20 00:00 UTC.
BEGIN = 1_795_132_800_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def messages() -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield three days of messages and whether each is verified: acme fails in Germany, which grows."""
    for day in range(3):
        for n in range(240):
            country = "DE" if n % 4 <= day else "FR"
            provider = "acme" if n % 5 < 2 else "other"
            at = BEGIN + day * DAY_MS + n % 24 * HOUR_MS
            yield (
                {"message_id": f"d{day}-{n}", "requested_at": at, "country": country, "provider": provider},
                n % 7 > 0 and (country, provider) != ("DE", "acme"),
            )


@pytest.fixture(scope="module")
def answers(
    server: LocalServer, make_key: Callable[..., AccessKey], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Any]]:
    """The tables of the notebook, by the names of its variables, after its cells have run."""
    key = make_key()
    folder = tmp_path_factory.mktemp("analysis")
    sent = list(messages())
    conversions = [
        {
            "message_id": message["message_id"],
            "delivered": True,
            "conversion_time": message["requested_at"] + 12_345,
        }
        for message, verified in sent
        if verified
    ]
    with httpx.Client(base_url=server.url, auth=(key.access_key_id, key.secret), timeout=30) as client:
        client.post("/v1/messages", json={"messages": [message for message, _ in sent]}).raise_for_status()
        client.post("/v1/conversions", json={"conversions": conversions}).raise_for_status()
        client.get(
            "/v1/rates"
        ).raise_for_status()  # an answer has all reports; an export reads only the ledger
    file = folder / "messages.parquet"
    done = otpconv("export", "--data", server.data, "--account", key.account_name, "--output", file, "--json")
    assert json.loads(done.stdout) == {"messages": len(sent), "rows": len(sent)}
    assert [path.name for path in folder.iterdir()] == ["messages.parquet"]
    known: dict[str, Any] = {}
    with chdir(folder):
        for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                exec("".join(cell["source"]), known)  # noqa: S102 - our own document
        known["described"] = known["db"].sql("DESCRIBE exported")
        tables = {name: value for name, value in known.items() if isinstance(value, DuckDBPyRelation)}
        return {name: table.fetchall() for name, table in tables.items()}


def test_the_file_has_the_columns_that_the_notebook_names(answers: dict[str, list[Any]]) -> None:
    kinds = {name: kind for name, kind, *_ in answers["described"]}
    assert list(kinds) == list(COLUMNS)
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in COLUMNS)
    assert kinds["requested_at"] == kinds["verified_at"] == "TIMESTAMP WITH TIME ZONE"
    assert kinds["seconds_to_verify"] == "DECIMAL(18,3)"


def test_each_question_has_the_answer_that_the_messages_have(answers: dict[str, list[Any]]) -> None:
    # The last 10 minutes of the file are left out.
    last = BEGIN + 2 * DAY_MS + 23 * HOUR_MS
    counted = [(message, verified) for message, verified in messages() if message["requested_at"] < last]
    expected = {
        provider: (
            sum(message["provider"] == provider for message, _ in counted),
            sum(verified for message, verified in counted if message["provider"] == provider),
        )
        for provider in ("acme", "other")
    }
    found = answers["by_provider"]
    assert {row[0]: row[1:3] for row in found} == expected
    assert all(low < rate < high for *_, rate, low, high in found)
    assert answers["worst_routes"][0][:2] == ("DE", "acme")
    assert all((p50, p90, late) == (12.3, 12.3, 0) for *_, p50, p90, late in answers["times"])
    assert [row[0] for row in answers["by_hour"]] == [*range(24)]
    changes = answers["changes"]
    assert len(changes) == 2
    for _, rate, change, mix, routes in changes:
        assert 0 < rate < 1
        assert change == pytest.approx(mix + routes, abs=2e-4)
        assert mix < 0


def test_rates_are_written_as_a_whole_file_or_not_at_all(
    server: LocalServer, key: AccessKey, tmp_path: Path
) -> None:
    at = client_of(server, key)
    file = tmp_path / "rates.parquet"
    assert otpconv("rates", "--interval", "1h", "--parquet", file, **at).returncode == 0
    assert file.read_bytes()[:4] == file.read_bytes()[-4:] == b"PAR1"
    before = file.read_bytes()
    refused = otpconv("rates", "--by", "weather", "--parquet", file, **at)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert (file.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (before, ["rates.parquet"])
    assert otpconv("rates", "--parquet", "/nowhere/rates.parquet", **at).returncode == 2
