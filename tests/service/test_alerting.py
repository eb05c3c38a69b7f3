"""The server's side of the detectors: their metrics, and the complaint when they are late."""

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from notifications.notifying_process import SEALER
from notifications.receivers import SIGNING_SECRET
from otpconv.access.alert_targets import Rules
from otpconv.config import load
from otpconv.errors import Unavailable
from otpconv.service import data_folder
from otpconv.service.alert_targets import AlertTargets
from otpconv.service.alerting import Alerting
from otpconv.service.housekeeping import Housekeeping
from otpconv.service.upkeep import inspect_storage
from otpconv.storage.alerts.contract import Checkpoint, Ended, Evidence, Found
from otpconv.storage.check_result import CheckResult
from otpconv.storage.contract import MINUTE_MS
from otpconv.storage.nodes import ALL_LEASES, Leases
from otpconv.storage.notifications.contract import News, Plan
from otpconv.storage.sqlite import SqliteEngine

NOW = 1_800_000_000_000 // MINUTE_MS * MINUTE_MS


class ElsewhereLeases:
    """The leases of a node that holds none."""

    shared = True

    def holds(self, name: str) -> bool:  # noqa: ARG002 - as in `Leases`
        return False


def _alerting(
    folder: Path,
    now: int = NOW + 5_000,
    leases: Leases = ALL_LEASES,
    steady: Callable[[], float] = time.monotonic,
    **settings: object,
) -> Alerting:
    store = SqliteEngine(folder).alerts()
    return Alerting(
        load(data=folder, **settings), store, _targets(folder, now), leases, lambda: now, steady=steady
    )


def _targets(folder: Path, now: int) -> AlertTargets:
    engine = SqliteEngine(folder)
    return AlertTargets(engine, partial(engine.access(lambda: now).alert_targets, SEALER), lambda: now)


def _metrics(alerting: Alerting, account: int = 1, *, of_targets: bool = False) -> dict[str, float]:
    return {
        f"{sample.name} {' '.join(sample.labels.values())}".strip(): sample.value
        for metric in (alerting.target_metrics if of_targets else alerting.metrics)(account).collect()
        for sample in metric.samples
    }


def test_metrics_say_what_lasts_and_how_far_the_detectors_are(tmp_path: Path) -> None:
    store = SqliteEngine(tmp_path).alerts()
    values = (("provider", "acme"),)
    found = [
        Found("slower", values, "warning", NOW, NOW, NOW, Evidence()),
        Found("volume", values, "critical", NOW, NOW, NOW, Evidence()),
        Found("conversion_fell", values, "warning", NOW, NOW, NOW, Evidence()),
        Ended("conversion_fell", values),
    ]
    assert _metrics(_alerting(tmp_path)) == {}
    store.record(1, None, Checkpoint(NOW, {}), found)
    alerting = _alerting(tmp_path)
    alerting.run()
    assert _metrics(alerting) == {
        "otpconv_alerts slower warning open": 1.0,
        "otpconv_alerts volume critical open": 1.0,
        "otpconv_alerts_behind_seconds": 5.0,
    }
    assert _metrics(alerting, account=2) == {}
    store.close()


def test_metrics_say_what_targets_took_and_for_how_long_they_fail(tmp_path: Path) -> None:
    values = {"endpoint": "http://127.0.0.1:1", "signing_secret": SIGNING_SECRET}
    targets = _targets(tmp_path, NOW)
    number = targets.create(1, "own", "webhook", values=values, rules=Rules()).target.id
    with closing(SqliteEngine(tmp_path).notifications()) as store:
        news = [News(number, alert, "opened", NOW, f"ntf_{alert}", "", NOW) for alert in range(1, 5)]
        store.plan(store.cursor(), Plan(4, news), NOW)
        for again_at in (NOW + MINUTE_MS, None):
            claimed = store.claim(number, NOW)
            assert claimed is not None
            store.failed(number, claimed.id, "no", now=NOW, again_at=again_at)
    alerting = _alerting(tmp_path, NOW + MINUTE_MS)
    alerting.run()
    assert _metrics(alerting, of_targets=True) == {
        "otpconv_notifications_total own sent": 0.0,
        "otpconv_notifications_total own given_up": 1.0,
        "otpconv_notifications_total own dropped": 0.0,
        "otpconv_notifications_waiting own": 3.0,
        "otpconv_notifications_failing_seconds own": 60.0,
    }
    assert _metrics(alerting, account=2, of_targets=True) == {}


def test_detectors_that_are_late_are_a_complaint(tmp_path: Path) -> None:
    store = SqliteEngine(tmp_path).alerts()
    store.record(1, None, Checkpoint(NOW - 7 * MINUTE_MS, {}), [])
    store.close()
    passed = [0.0]
    alerting = _alerting(tmp_path, leases=ElsewhereLeases(), steady=lambda: passed[0])
    # After a stop they have a minute until they start, and then 5 to catch up.
    alerting.run()
    passed[0] = 359.0
    alerting.run()
    passed[0] = 361.0
    with pytest.raises(Unavailable, match="The detectors are 7 minutes behind"):
        alerting.run()


def test_with_the_setting_off_nobody_looks(tmp_path: Path) -> None:
    tasks = Housekeeping()
    _alerting(tmp_path, alerts=False).keep(tasks)
    assert tasks.states() == []


def test_the_doctor_says_when_the_detectors_are_late_while_a_server_runs(tmp_path: Path) -> None:
    def detectors(now: int, **given: object) -> CheckResult:
        findings = inspect_storage(load(data=tmp_path, **given), lambda: now)
        return next(each for each in findings if each.check == "detectors")

    assert detectors(NOW).text == "they look at the last hour when the server starts"
    assert not (tmp_path / "alerts.sqlite").exists()
    with data_folder.hold(tmp_path), closing(SqliteEngine(tmp_path).alerts()) as store:
        assert detectors(NOW).text == "they have not looked at any messages yet"
        store.record(1, None, Checkpoint(NOW, {}), [])
        store.record(2, None, Checkpoint(NOW - 7 * MINUTE_MS, {}), [])
        assert detectors(NOW - 2 * MINUTE_MS).ok
        late = detectors(NOW)
        assert not late.ok
        assert late.text == "they are 7 min behind: nobody is alerted"
        assert detectors(NOW, alerts=False).ok
    assert detectors(NOW).ok
