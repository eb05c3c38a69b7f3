"""`otpconv ledger prune --archive`: a file has all messages before the first one is deleted."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
from pyarrow import parquet

import postgresql
from campaigns import parameters
from cli.commands import client_of, otpconv
from otpconv.cli import ledger_archive
from otpconv.cli.local_server import LocalServer
from otpconv.config import Settings, load
from otpconv.errors import Unavailable
from otpconv.model import Conversion, Dimensions, Expiry, Report, Requested
from otpconv.service import deleting
from otpconv.service.opening import open_key_store
from otpconv.service.upkeep import fill
from otpconv.storage.contract import DAY_MS

OLD = 20_000 * DAY_MS
BEFORE = OLD + DAY_MS


def reports(account: int) -> list[Report]:
    """Old messages with and without conversions, an old conversion without a message, and a new message."""
    of = Dimensions("ES", provider="acme")
    old = [Requested(account, f"old{n}", OLD + n, of, session_id=f"s{n // 2}", attempt=1) for n in range(10)]
    verified = [Conversion(account, True, OLD + 60_000 + n, f"old{n}") for n in range(0, 10, 3)]
    return [*old, *verified, Conversion(account, True, OLD, "lost"), Requested(account, "new", BEFORE, of)]


@pytest.fixture(params=parameters(["sqlite", "postgresql"], ["sqlite"], "the same from PostgreSQL"))
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Two accounts with the same messages, in either engine."""
    data = tmp_path / "data"
    with ExitStack() as stack:
        ledger = None
        if request.param == "postgresql":
            ledger = stack.enter_context(postgresql.new_database(postgresql.shared()))
            assert otpconv("ledger", "init", ledger=ledger).returncode == 0
        made = load(data=data, ledger=ledger)
        with closing(open_key_store(made)) as keys:
            accounts = [
                keys.create(name, "me", "AdministratorAccess").account for name in ("default", "shop")
            ]
        fill(made, [(OLD, [report for account in accounts for report in reports(account)])])
        yield made


def prune(settings: Settings, file: Path) -> dict[str, object]:
    ledger = {"ledger": settings.ledger.get_secret_value()} if settings.ledger else {}
    words = ["--before", str(BEFORE), "--archive", file, "--data", settings.data, "--json"]
    done = otpconv("ledger", "prune", *words, **ledger)
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_an_archive_has_what_is_deleted_and_can_be_imported(
    settings: Settings, make_server: Callable[..., LocalServer], tmp_path: Path
) -> None:
    file = tmp_path / "old.ndjson"
    assert prune(settings, file) == {"deleted": 20, "archive": str(file), "archived": 22}
    assert file.stat().st_mode & 0o777 == 0o600
    rows = [json.loads(line) for line in file.read_bytes().splitlines()]
    ids = {f"old{n}" for n in range(10)} | {"lost"}
    for account in ("default", "shop"):
        assert {row["message_id"] for row in rows if row["account"] == account} == ids
    # Into an empty server: the messages of one account.
    server = make_server(tmp_path / "empty")
    server.start()
    done = otpconv("import", file, "--only", "account=shop", "--json", **client_of(server))
    assert done.returncode == 0, done.stderr + done.stdout
    auth = (server.access_key_id, server.access_key_secret)
    window = f"start={OLD}&end={BEFORE}"
    (row,) = httpx.get(f"{server.url}/v1/rates?{window}", auth=auth).json()["rows"]
    assert (row["requested"], row["verified"]) == (10, 4)


def test_an_archive_in_parquet_has_the_same_messages(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "old.parquet"
    assert prune(settings, file)["archived"] == 22
    table = parquet.read_table(file).to_pylist()
    assert sum(row["verified"] for row in table) == 8
    assert {row["account"] for row in table} == {"default", "shop"}
    assert "new" not in {row["message_id"] for row in table}


def test_nothing_is_deleted_if_reports_come_after_the_archive(settings: Settings, tmp_path: Path) -> None:
    archive = ledger_archive.Archive(settings, tmp_path / "old.ndjson", BEFORE)
    archive.write()
    fill(settings, [(OLD, [Conversion(1, True, OLD + 70_000, "old1")])])
    with pytest.raises(Unavailable, match="nothing was deleted"):
        deleting.prune(settings, BEFORE, lambda _: None, archive.check)
    assert prune(settings, tmp_path / "again.ndjson")["deleted"] == 20
    assert len((tmp_path / "again.ndjson").read_bytes().splitlines()) == 20


def test_nothing_is_deleted_if_the_archive_can_not_be_written(settings: Settings, tmp_path: Path) -> None:
    ledger = {"ledger": settings.ledger.get_secret_value()} if settings.ledger else {}
    taken = tmp_path / "taken.ndjson"
    taken.touch()
    for name, text in (
        ("old.csv", "use a name that ends with"),
        ("missing/old.ndjson", "can't be written"),
        ("taken.ndjson", "already exists"),
    ):
        words = ["--before", str(BEFORE), "--archive", tmp_path / name, "--data", settings.data]
        done = otpconv("ledger", "prune", *words, **ledger)
        assert done.returncode == 2
        assert text in done.stderr
    fill(settings, [(OLD, [Expiry(0, OLD)])])  # type: ignore[list-item] - it applies the journal
    assert prune(settings, tmp_path / "old.ndjson")["deleted"] == 20
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
