"""The audit trail of the command line: a line for each change, none for a look, and never a secret."""

import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from audited import audited
from otpconv import audit
from otpconv.cli.local_server import LocalServer
from otpconv.cli.main import app

POLICY = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "otpconv:*", "Resource": "*"}]}'
ME = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"

#: Runs a command; its result is of typer or of click, by their versions.
Run = Callable[..., Any]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(data: Path) -> Run:
    """Run a command on the test's own data folder."""

    def command(words: str, *, stdin: str | None = None) -> object:
        return CliRunner().invoke(
            app, [*words.split(), "--data", str(data)], input=stdin, standalone_mode=False
        )

    return command


@pytest.fixture
def key(run: Run) -> dict[str, Any]:
    """An access key of the user app, made by the command."""
    made: dict[str, Any] = json.loads(run("keys create app --account shop --json").stdout)
    return made


def added(data: Path, before: int) -> list[tuple[str, str, str, str]]:
    """Who, what, subject and outcome of the lines beyond the first `before`."""
    return [(line["who"], line["what"], line["subject"], line["outcome"]) for line in audited(data)[before:]]


@pytest.mark.parametrize(
    ("before", "command", "what", "subject"),
    [
        ([], "users create a", "CreateUser", "user default/a"),
        (["users create a"], "users delete a", "DeleteUser", "user default/a"),
        (
            ["users create a --account shop"],
            "users attach a OtpconvReadOnly --account shop",
            "AttachPolicy",
            "user shop/a, policy OtpconvReadOnly",
        ),
        (
            ["users create a", "users attach a OtpconvReadOnly"],
            "users detach a OtpconvReadOnly",
            "DetachPolicy",
            "user default/a, policy OtpconvReadOnly",
        ),
        ([], "roles create r", "CreateRole", "role default/r"),
        (["roles create r"], "roles delete r", "DeleteRole", "role default/r"),
        (
            ["roles create r"],
            "roles attach r OtpconvReadOnly",
            "AttachPolicy",
            "role default/r, policy OtpconvReadOnly",
        ),
        (
            ["roles create r", "roles attach r OtpconvReadOnly"],
            "roles detach r OtpconvReadOnly",
            "DetachPolicy",
            "role default/r, policy OtpconvReadOnly",
        ),
        ([], "policies create P --document -", "CreatePolicy", "policy default/P"),
        (["policies create P --document -"], "policies delete P", "DeletePolicy", "policy default/P"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_change_is_one_line(
    run: Run, data: Path, *, before: list[str], command: str, what: str, subject: str
) -> None:
    for earlier in before:
        assert run(earlier, stdin=POLICY).exception is None
    assert run(command, stdin=POLICY).exception is None
    assert added(data, len(before)) == [(ME, what, subject, "done")]


def test_a_key_that_is_made_has_its_user_its_policy_and_its_id_on_the_line(run: Run, data: Path) -> None:
    made = json.loads(run("keys create app --policy OtpconvReadOnly --json").stdout)
    second = json.loads(run("keys rotate app --json").stdout)
    assert added(data, 0) == [
        (
            ME,
            "CreateAccessKey",
            f"user default/app, policy OtpconvReadOnly, key {made['AccessKeyId']}",
            "done",
        ),
        (ME, "RotateAccessKey", f"user default/app, key {second['AccessKeyId']}", "done"),
    ]


@pytest.mark.parametrize("name", ["disable", "enable", "delete"])
def test_a_change_of_a_key_has_its_id_on_the_line(
    run: Run, data: Path, key: dict[str, Any], name: str
) -> None:
    assert run(f"keys {name} {key['AccessKeyId']}").exception is None
    assert added(data, 1) == [(ME, f"{name.title()}AccessKey", f"key {key['AccessKeyId']}", "done")]


@pytest.mark.parametrize(
    ("command", "what", "subject", "outcome"),
    [
        ("users create app --account shop", "CreateUser", "user shop/app", "InvalidRequest"),
        ("users delete ghost --account shop", "DeleteUser", "user shop/ghost", "NotFound"),
        (
            "users attach app Nothing --account shop",
            "AttachPolicy",
            "user shop/app, policy Nothing",
            "InvalidRequest",
        ),
        ("roles create a_b", "CreateRole", "role default/a_b", "InvalidRequest"),
        ("roles delete ghost --account shop", "DeleteRole", "role shop/ghost", "NotFound"),
        (
            "policies delete OtpconvReadOnly --account shop",
            "DeletePolicy",
            "policy shop/OtpconvReadOnly",
            "InvalidRequest",
        ),
        ("keys rotate ghost", "RotateAccessKey", "user default/ghost", "NotFound"),
        ("keys delete LTAIghost", "DeleteAccessKey", "key LTAIghost", "NotFound"),
    ],
    ids=str,
)
def test_a_refused_change_is_one_line_with_the_code(
    run: Run, data: Path, key: dict[str, Any], *, command: str, what: str, subject: str, outcome: str
) -> None:
    assert key
    assert run(command).exception is not None
    assert added(data, 1) == [(ME, what, subject, outcome)]


def test_looking_leaves_no_line(run: Run, data: Path, key: dict[str, Any]) -> None:
    assert key
    run("roles create r --account shop")
    for command in (
        "keys list",
        "users list --account shop",
        "users show app --account shop",
        "roles list --account shop",
        "roles show r --account shop",
        "policies list --account shop",
        "policies show OtpconvReadOnly --account shop",
        "access explain --user app --account shop --action dysms:SmsConversion",
    ):
        assert run(command).exception is None, command
    assert run("users show ghost --account shop").exception is not None
    assert len(audited(data)) == 2


def test_no_secret_is_in_the_file_not_even_one_in_the_place_of_an_id(
    run: Run, data: Path, key: dict[str, Any]
) -> None:
    second = json.loads(run("keys rotate app --account shop --json").stdout)
    assert run(f"keys delete {key['AccessKeySecret']}").exception is not None
    text = (data / audit.FILE).read_text()
    assert key["AccessKeySecret"] not in text
    assert second["AccessKeySecret"] not in text
    assert added(data, 2) == [(ME, "DeleteAccessKey", "key", "NotFound")]


def test_the_first_key_of_a_server_is_a_line_of_the_server(
    make_server: Callable[..., LocalServer], data: Path
) -> None:
    server = make_server(data)
    server.start()
    key_id = (data / "first-key").read_text().partition(":")[0]
    subject = f"user default/admin, policy AdministratorAccess, key {key_id}"
    assert added(data, 0) == [("server", "CreateAccessKey", subject, "done")]
