"""Alerts come along in copies and backups, `otpconv doctor` checks their file, and old ones are forgotten."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from otpconv.config import load
from otpconv.model import Expiry, Requested
from otpconv.service.alert_retention import KEPT_DAYS, AlertRetention
from otpconv.service.copying import copy
from otpconv.service.opening import open_key_store
from otpconv.storage.alerts.contract import LASTING, AlertStore
from otpconv.storage.contract import DAY_MS, Entry
from otpconv.storage.nodes import ALL_LEASES
from otpconv.storage.sqlite import SqliteEngine
from storage.alerts.findings import ACME, NOW, ended, found, minute


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a report, and two alerts, one of them resolved."""
    folder = tmp_path / "data"
    open_key_store(load(data=folder)).close()
    engine = SqliteEngine(folder)
    with closing(engine.journal()) as journal:
        journal.append([Entry(Requested(1, "a", NOW))], NOW)
    engine.prepare_ledger()
    with closing(engine.ledger_writer()) as writer:
        writer.apply(10)
    with closing(engine.alerts()) as alerts:
        alerts.record(1, None, minute(0, fell=b"memory"), [found(), found(ACME), ended(found())])
    return folder


@pytest.fixture
def alerts(data: Path) -> Iterator[AlertStore]:
    with closing(SqliteEngine(data).alerts()) as opened:
        yield opened


def test_a_copy_has_the_alerts_and_what_detectors_remember(
    data: Path, alerts: AlertStore, tmp_path: Path
) -> None:
    target = tmp_path / "copy"
    for _ in range(2):
        copied = copy(load(data=data), load(data=target), lambda *_: None)
        assert all(check.ok for check in copied.checks)
        with closing(SqliteEngine(target).alerts()) as there:
            assert list(there.stored()) == list(alerts.stored())
            assert there.checkpoint(1) == minute(0, fell=b"memory")
        alerts.acknowledge(1, alerts.alerts(1, LASTING)[0].id, "ann", "", now=NOW)


def test_a_copy_adds_no_file_to_its_source(data: Path, tmp_path: Path) -> None:
    (data / "alerts.sqlite").unlink()
    names = {file.name for file in data.iterdir()}
    assert not {"alerts.sqlite", "annotations.sqlite"} & names
    copied = copy(load(data=data), load(data=tmp_path / "copy"), lambda *_: None)
    assert all(check.ok for check in copied.checks)
    assert {file.name for file in data.iterdir()} == names


def test_a_backup_has_the_alerts_and_doctor_checks_their_file(
    data: Path, alerts: AlertStore, tmp_path: Path
) -> None:
    target = tmp_path / "backup"
    target.mkdir()
    engine = SqliteEngine(data)
    names = [file.name for file in engine.copy(target, lambda *_: None)]
    assert names.index("alerts.sqlite") < names.index("journal.sqlite")
    with closing(SqliteEngine(target).alerts()) as there:
        assert list(there.stored()) == list(alerts.stored())
    (result,) = [each for each in engine.findings(served=False, now=NOW) if each.check == "alerts.sqlite"]
    assert result.ok
    damage = b"\xff" * 4_096
    with (target / "alerts.sqlite").open("r+b") as file:
        file.seek(4_096)
        file.write(damage)
    (result,) = [
        each for each in SqliteEngine(target).findings(served=False, now=NOW) if each.check == "alerts.sqlite"
    ]
    assert not result.ok


def test_alerts_are_forgotten_after_400_days_by_the_time_of_reports(data: Path, alerts: AlertStore) -> None:
    engine = SqliteEngine(data)
    (lasting,), (resolved,) = alerts.alerts(1, LASTING), alerts.alerts(1, ["resolved"])
    with (
        closing(engine.journal()) as journal,
        closing(engine.ledger_writer()) as writer,
        closing(engine.ledger_reader()) as ledger,
    ):
        retention = AlertRetention(alerts, ledger, ALL_LEASES)
        for days, kept in ((0, [resolved]), (KEPT_DAYS, [resolved]), (KEPT_DAYS + 4, [])):
            if days:
                at = NOW + days * DAY_MS
                journal.append([Entry(Expiry(0, at - 3 * DAY_MS)), Entry(Requested(1, f"{days}", at))], at)
                writer.apply(10)
            retention.run()
            assert alerts.alerts(1, ["resolved"]) == kept
    assert alerts.alerts(1, LASTING) == [lasting]
