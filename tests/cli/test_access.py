"""The commands about users, roles, policies and access keys, run as people run them."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from otpconv.cli.local_server import LocalServer
from otpconv.cli.main import app
from otpconv.config import load
from otpconv.errors import InvalidRequest, Misconfigured, NotFound
from otpconv.service.opening import open_key_store

OFFICE = {
    "Version": "1",
    "Statement": [
        {
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"NotIpAddress": {"acs:SourceIp": "192.0.2.0/24"}},
        }
    ],
}

Run = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(data: Path) -> Run:
    """Run a command on the test's own data folder."""

    def command(*arguments: object, stdin: str | None = None) -> Result:
        words = [*map(str, arguments), "--data", str(data)]
        return CliRunner().invoke(app, words, input=stdin, standalone_mode=False)

    return command


@pytest.fixture
def told(run: Run) -> Callable[..., Any]:
    """Run a command that succeeds, with --json, and return what it tells."""

    def command(*arguments: object, stdin: str | None = None) -> object:
        done = run(*arguments, "--json", stdin=stdin)
        assert done.exception is None, done.exception
        return json.loads(done.stdout)

    return command


def test_a_user_is_made_given_a_policy_shown_and_deleted(run: Run, told: Callable[..., Any]) -> None:
    made = told("users", "create", "app", "--account", "shop")
    assert (made["user"], made["account"], made["policies"]) == ("app", "shop", [])
    assert told("users", "attach", "app", "OtpconvReadOnly", "--account", "shop")["policies"] == [
        "OtpconvReadOnly"
    ]
    key = told("keys", "create", "app", "--account", "shop")
    shown = told("users", "show", "app", "--account", "shop")
    assert (shown["policies"], shown["access_keys"]) == (["OtpconvReadOnly"], [key["AccessKeyId"]])
    assert "OtpconvReadOnly" in run("users", "list", "--account", "shop").stdout
    assert told("users", "detach", "app", "OtpconvReadOnly", "--account", "shop")["policies"] == []
    told("users", "delete", "app", "--account", "shop")
    assert told("users", "list", "--account", "shop") == []
    assert told("keys", "list") == []
    assert isinstance(run("users", "list", "--account", "elsewhere").exception, NotFound)


def test_a_key_without_a_policy_may_only_report_and_takes_nothing_from_who_has_one(
    told: Callable[..., Any],
) -> None:
    told("keys", "create", "app")
    told("keys", "create", "reader", "--policy", "OtpconvReadOnly")
    told("keys", "create", "reader")
    policies = {row["user"]: row["policies"] for row in told("keys", "list")}
    assert policies == {"app": ["OtpconvReportOnly"], "reader": ["OtpconvReadOnly"]}


def test_a_rotation_makes_the_second_key_and_says_what_to_do_with_the_first(
    run: Run, told: Callable[..., Any]
) -> None:
    first = told("keys", "create", "app")["AccessKeyId"]
    done = run("keys", "rotate", "app")
    assert done.exception is None
    assert f"Replaces: {first}" in done.stdout
    assert f"keys disable {first}" in done.stderr
    assert f"keys delete {first}" in done.stderr
    assert len(told("keys", "list")) == 2


def test_a_rotation_of_two_keys_is_refused_with_the_older_and_its_last_use(
    run: Run, told: Callable[..., Any], data: Path
) -> None:
    first = told("keys", "create", "app")["AccessKeyId"]
    told("keys", "rotate", "app")
    store = open_key_store(load(data=data))
    store.note_uses({first: 1_700_000_000_000})
    store.close()
    refused = run("keys", "rotate", "app").exception
    assert isinstance(refused, InvalidRequest)
    assert first in refused.text
    assert "last used at 2023-11-14T22:13:20Z" in refused.text
    assert isinstance(run("keys", "rotate", "nobody").exception, NotFound)


def test_a_policy_is_checked_made_shown_attached_and_deleted(
    run: Run, told: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "office.json"
    file.write_text(json.dumps(OFFICE))
    assert told("policies", "create", "Office", "--document", file)["document"] == OFFICE
    told("policies", "create", "Second", "--document", "-", stdin=json.dumps(OFFICE))
    assert json.loads(run("policies", "show", "Office").stdout) == OFFICE
    assert json.loads(run("policies", "show", "AdministratorAccess").stdout)["Version"] == "1"
    told("keys", "create", "app")
    told("users", "attach", "app", "Office")
    listed = {row["policy"]: row for row in told("policies", "list")}
    assert listed["Office"]["attached_to"] == ["user app"]
    assert listed["OtpconvReportOnly"]["managed"] is True
    refused = run("policies", "delete", "Office").exception
    assert isinstance(refused, InvalidRequest)
    assert "user app" in refused.text
    told("users", "detach", "app", "Office")
    told("policies", "delete", "Office")
    assert "Office" not in {row["policy"] for row in told("policies", "list")}


def test_a_bad_document_is_refused_with_its_place_and_a_doubtful_one_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(OFFICE).replace("Deny", "deny"))
    bad = CliRunner().invoke(app, ["policies", "check", str(file)], standalone_mode=False)
    assert isinstance(bad.exception, InvalidRequest)
    assert "Statement[0].Effect" in bad.exception.text
    file.write_text(json.dumps(OFFICE).replace("NotIpAddress", "StringLike").replace("SourceIp", "SourceVpc"))
    doubtful = CliRunner().invoke(app, ["policies", "check", str(file), "--json"], standalone_mode=False)
    assert json.loads(doubtful.stdout)["valid"] is True
    assert "caution" in doubtful.stderr
    away = CliRunner().invoke(app, ["policies", "check", str(tmp_path / "none")], standalone_mode=False)
    assert isinstance(away.exception, Misconfigured)


def test_a_policy_with_an_action_that_does_not_exist_is_taken_and_warned_of_wherever_it_is_used(
    run: Run, told: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "typo.json"
    statement = {"Effect": "Allow", "Action": "otpconv:QeryRates", "Resource": "*"}
    file.write_text(json.dumps({"Version": "1", "Statement": [statement]}))
    told("users", "create", "app")
    told("roles", "create", "reporter")
    for command in (
        ("policies", "create", "Typo", "--document", file),
        ("users", "attach", "app", "Typo"),
        ("roles", "attach", "reporter", "Typo"),
        ("keys", "create", "other", "--policy", "Typo"),
        ("access", "explain", "--user", "app", "--action", "otpconv:QueryRates"),
    ):
        done = run(*command)
        assert done.exception is None
        assert "caution: " in done.stderr
        assert "did you mean otpconv:QueryRates?" in done.stderr
    checked = CliRunner().invoke(app, ["policies", "check", str(file), "--json"], standalone_mode=False)
    (caution,) = json.loads(checked.stdout)["cautions"]
    assert "'otpconv:QeryRates' is not an action of this server" in caution
    assert "caution" not in run("users", "attach", "app", "OtpconvReadOnly").stderr


def test_an_explanation_of_an_action_that_does_not_exist_says_so(run: Run, told: Callable[..., Any]) -> None:
    told("users", "create", "app")
    told("users", "attach", "app", "AdministratorAccess")
    allowed = run("access", "explain", "--user", "app", "--action", "otpconv:QeryRates", "--json")
    assert (allowed.exit_code, json.loads(allowed.stdout)["allowed"]) == (0, True)
    (caution,) = json.loads(allowed.stdout)["cautions"]
    assert caution == "'otpconv:QeryRates' is not an action of this server; did you mean otpconv:QueryRates?"
    assert caution in allowed.stderr


def test_a_role_is_made_given_a_policy_shown_and_deleted(run: Run, told: Callable[..., Any]) -> None:
    made = told("roles", "create", "Reporter", "--max-duration", 7200)
    assert (made["role"], made["max_duration_s"], made["arn"]) == (
        "Reporter",
        7200,
        "acs:ram::1:role/Reporter",
    )
    assert told("roles", "attach", "reporter", "OtpconvReportOnly")["policies"] == ["OtpconvReportOnly"]
    assert told("roles", "show", "reporter")["policies"] == ["OtpconvReportOnly"]
    assert "Reporter" in run("roles", "list").stdout
    assert told("roles", "detach", "reporter", "OtpconvReportOnly")["policies"] == []
    told("roles", "delete", "reporter")
    assert told("roles", "list") == []


def test_an_explanation_names_the_statement_and_its_exit_code_says_allowed_or_not(
    run: Run, told: Callable[..., Any]
) -> None:
    told("policies", "create", "Office", "--document", "-", stdin=json.dumps(OFFICE))
    told("users", "create", "app")
    told("users", "attach", "app", "AdministratorAccess")
    told("users", "attach", "app", "Office")
    ask = ("access", "explain", "--user", "app", "--action", "otpconv:QueryRates")
    allowed = run(*ask, "--source-ip", "192.0.2.7", "--secure", "--at", "2026-11-20T12:00:00Z")
    assert (allowed.exit_code, allowed.return_value) == (0, None)
    assert "is allowed: Statement[0] of the policy AdministratorAccess" in allowed.stdout
    denied = run(*ask, "--source-ip", "198.51.100.7", "--json")
    assert denied.return_value == 1
    told_json = json.loads(denied.stdout)
    assert (told_json["kind"], told_json["policy"], told_json["statement"]) == ("ExplicitDeny", "Office", 0)
    assert "198.51.100.7" in told_json["explanation"]


def test_an_explanation_is_given_for_a_role_too_and_for_one_of_the_two_only(
    run: Run, told: Callable[..., Any]
) -> None:
    told("roles", "create", "reporter")
    denied = run("access", "explain", "--role", "reporter", "--action", "dysms:SmsConversion")
    assert denied.return_value == 1
    assert "no statement of the attached policies allows it" in denied.stdout
    both = run("access", "explain", "--role", "a", "--user", "b", "--action", "dysms:SmsConversion")
    assert isinstance(both.exception, Misconfigured)


def test_a_policy_takes_effect_in_a_running_server_and_a_refusal_names_it(
    make_server: Callable[..., LocalServer], told: Callable[..., Any], data: Path
) -> None:
    server = make_server(data)
    server.start()
    made = told("keys", "create", "reader", "--policy", "OtpconvReadOnly")
    told("policies", "create", "Office", "--document", "-", stdin=json.dumps(OFFICE))
    auth = (made["AccessKeyId"], made["AccessKeySecret"])

    def status_soon(expected: int) -> httpx.Response:
        for _ in range(100):
            answer = httpx.get(f"{server.url}/v1/rates", auth=auth)
            if answer.status_code == expected:
                return answer
            time.sleep(0.05)  # not so often that it is throttled
        pytest.fail(f"it stays at {answer.status_code}")

    status_soon(200)
    told("users", "attach", "reader", "Office")
    detail = status_soon(403).json()["detail"]
    assert "an explicit Deny in the policy Office" in detail
    assert "192.0.2" not in detail
    server.stop()
    (row,) = [row for row in told("keys", "list") if row["user"] == "reader"]
    assert isinstance(row["last_used_at"], int)


def test_the_table_of_keys_shows_when_each_was_last_used(
    run: Run, told: Callable[..., Any], data: Path
) -> None:
    made = told("keys", "create", "app")
    assert "never" in run("keys", "list").stdout
    store = open_key_store(load(data=data))
    store.note_uses({made["AccessKeyId"]: 1_700_000_000_000})
    store.close()
    assert re.search(r"app .* 2023-11-14 22:13", run("keys", "list").stdout)
