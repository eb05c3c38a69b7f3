"""Targets of notifications over the API and the command line: created, tested, deleted, audited, bounded."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from audited import audited
from cli.commands import Run
from notifications.receivers import SIGNING_SECRET, Hook
from otpconv.access.alert_targets import MAX_TARGETS
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.config import load
from otpconv.service.alert_targets import (
    GROUP_MS,
    MAX_GROUP_MS,
    MAX_REPEAT_MS,
    MAX_VALUES,
    MIN_REPEAT_MS,
    MIN_SIGNING_SECRET,
)
from otpconv.service.opening import open_sealer
from otpconv.service.vendor_values import MAX_SETTING_CHARS
from otpconv.storage.notifications.contract import News, Plan
from otpconv.storage.sqlite import SqliteEngine

PATH = "/v1/alert-targets"
HOOK = {"endpoint": "http://127.0.0.1:1/x", "signing_secret": SIGNING_SECRET}


def new(name: str = "own", kind: str = "webhook", **rules: object) -> dict[str, object]:
    return {"name": name, "kind": kind, "settings": HOOK, "rules": rules}


def test_a_target_is_created_tested_shown_and_deleted(at: Run, own: httpx.Client, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text(f"signing_secret={SIGNING_SECRET}\n")
    with Hook() as hook:
        words = ("--kind", "webhook", "--setting", f"endpoint={hook.url}", "--secrets", secrets)
        rules = ("--only", "country=DE,FR", "--group", "kind", "--repeat", "4h", "--quiet", "22:00-07:00")
        made = at(
            "alerts", "targets", "create", "own", *words, *rules, "--quiet-tz", "Europe/Berlin", "--json"
        )
        assert made.returncode == 0, made.stderr
        assert SIGNING_SECRET not in made.stdout + made.stderr
        assert json.loads(made.stdout)["rules"] == {
            "slices": {"country": ["DE", "FR"]},
            "group": "kind",
            "group_ms": GROUP_MS,
            "repeat_ms": 4 * 3_600_000,
            "quiet": {"start": "22:00", "end": "07:00", "tz": "Europe/Berlin", "critical": False},
        }
        assert own.post(f"{PATH}/own/test").json()["sent"]
        (body,) = hook.bodies()
        assert (body["test"], body["alerts"]) == (True, [])
    assert not own.post(f"{PATH}/own/test").json()["sent"]
    (shown,) = own.get(PATH).json()["targets"]
    assert own.get(f"{PATH}/own").json() == shown
    assert (shown["secrets"], shown["sent"], shown["waiting"]) == (["signing_secret"], 0, 0)
    assert own.delete(f"{PATH}/own").json() == {"deleted": "own"}
    for call in (own.delete, own.get):
        assert call(f"{PATH}/own").status_code == 404
    assert own.post(f"{PATH}/own/test").status_code == 404


def test_what_was_given_up_is_sent_again_on_demand(at: Run, own: httpx.Client, server: LocalServer) -> None:
    assert own.post(PATH, json=new()).status_code == 201
    engine, sealer = SqliteEngine(server.data), open_sealer(load(data=server.data))
    with closing(engine.access(wall_clock).alert_targets(sealer)) as targets:
        number = max(target.id for target in targets.list() if target.name == "own")
    with closing(engine.notifications()) as store:
        cursor = store.cursor()
        assert store.plan(cursor, Plan(cursor.seq, [News(number, 1, "opened", 1, "ntf_1", "", 1)]), 1)
        claimed = store.claim(number, 1)
        assert claimed is not None
        store.failed(number, claimed.id, "it was down", now=1, again_at=None)
        assert own.get(f"{PATH}/own").json()["given_up"] == 1
        assert json.loads(at("alerts", "targets", "retry", "own", "--json").stdout) == {"retried": 1}
        shown = own.get(f"{PATH}/own").json()
        assert (shown["given_up"], shown["dead"]) == (0, 1)
    assert own.post(f"{PATH}/none/retry").status_code == 404


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "a b"}, "name"),
        ({"kind": "fax"}, "apprise, webhook, alertmanager"),
        ({"settings": {"endpoint": "http://127.0.0.1"}}, "needs signing_secret"),
        ({"settings": HOOK | {"endpoint": "file:///etc/passwd"}}, "endpoint"),
        ({"settings": HOOK | {"endpoint": "http://[::1"}}, "endpoint"),
        ({"settings": HOOK | {"signing_secret": "x" * (MIN_SIGNING_SECRET - 1)}}, "too short"),
        ({"settings": HOOK | {"signing_secret": "x" * (MAX_SETTING_CHARS + 1)}}, "one line"),
        ({"settings": HOOK | {"colour": "red"}}, "no setting 'colour'"),
        ({"rules": {"kinds": ["fell"]}}, "conversion_fell"),
        ({"rules": {"slices": {"planet": ["earth"]}}}, "planet"),
        ({"rules": {"slices": {"country": ["DE"] * (MAX_VALUES + 1)}}}, f"1 to {MAX_VALUES}"),
        ({"rules": {"group": "kind", "group_ms": MAX_GROUP_MS + 1}}, "group_ms"),
        ({"rules": {"group_ms": 5}}, "group_ms"),
        ({"rules": {"repeat_ms": MIN_REPEAT_MS - 1}}, "repeat_ms"),
        ({"rules": {"repeat_ms": MAX_REPEAT_MS + 1}}, "repeat_ms"),
        ({"rules": {"quiet": {"start": "22:00", "end": "7"}}}, "HH:MM"),
        ({"rules": {"mood": "good"}}, "mood"),
        (
            {"kind": "alertmanager", "settings": {"endpoint": "http://a"}, "rules": {"repeat_ms": 300_000}},
            "itself",
        ),
        ({"kind": "apprise", "settings": {"url": "syslog://s3cret-word"}}, "syslog"),
    ],
)
def test_what_callers_choose_is_checked(own: httpx.Client, change: dict[str, object], said: str) -> None:
    answer = own.post(PATH, json=new() | change)
    assert answer.status_code == 400
    assert said in answer.json()["detail"]
    assert "s3cret-word" not in answer.text


def test_an_account_has_a_bounded_number_of_targets_with_names_of_their_own(own: httpx.Client) -> None:
    for number in range(MAX_TARGETS):
        assert own.post(PATH, json=new(f"own-{number}")).status_code == 201
    assert own.post(PATH, json=new("more")).status_code == 400
    assert own.delete(f"{PATH}/own-1").is_success
    assert "another name" in own.post(PATH, json=new("own-0")).json()["detail"]


def test_changes_need_the_action_and_are_audited(
    own: httpx.Client, server: LocalServer, make_key: Callable[..., AccessKey]
) -> None:
    assert own.post(PATH, json=new()).status_code == 201
    own.post(f"{PATH}/own/test")
    assert own.post(f"{PATH}/own/retry").json() == {"retried": 0}
    own.delete(f"{PATH}/own")
    trail = audited(server.data)
    actions = [line["what"] for line in trail if line.get("subject") == "target own"]
    done = ["CreateAlertTarget", "TestAlertTarget", "RetryAlertTarget", "DeleteAlertTarget"]
    assert actions[-4:] == done
    reader = make_key("OtpconvReadOnly")
    assert own.get(PATH, auth=(reader.access_key_id, reader.secret)).status_code == 403
