"""The compose files: valid, without rights that nobody needs, in agreement with the image and the server."""

import json
import os
import re
import subprocess
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from debian import program
from deploy.files import (
    BIN,
    DEPLOY,
    SPARE_S,
    STOP_S,
    documented,
    image_environment,
    unknown_settings,
    values,
)
from otpconv import __version__
from otpconv.config import _SECRET, load
from otpconv.service.opening import open_sealer

DOMAIN = "otp.example.com"
#: The nodes of each file.
NODES = {"compose.yaml": ["node1", "node2"], "compose.sqlite.yaml": ["node"]}


@cache
def composed(file: str) -> dict[str, Any]:
    """Return a compose file as Compose itself reads it, with every default."""
    read = subprocess.run(  # noqa: S603
        [BIN / "docker-compose", "--file", DEPLOY / file, "config", "--format", "json"],
        env={"PATH": os.defpath, "DOMAIN": DOMAIN},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (read.returncode, read.stderr) == (0, "")
    found: dict[str, Any] = json.loads(read.stdout)
    return found


def services(file: str, *names: str) -> list[dict[str, Any]]:
    """Return services of a compose file; without names, all."""
    found = composed(file)["services"]
    return [found[name] for name in names or found]


def seconds(duration: str) -> int:
    """Return a duration like 1m0s in seconds."""
    minutes, rest = re.fullmatch(r"(?:(\d+)m)?(\d+)s", duration).groups()  # type: ignore[union-attr]
    return int(minutes or 0) * 60 + int(rest)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of secrets, made by the commands of the how-to."""
    folder = tmp_path_factory.mktemp("tree")
    (folder / "deploy").mkdir()
    program("openssl", "openssl")
    subprocess.run(  # noqa: S603
        [program("bash", "bash"), "-euc", documented("deploy/secrets/otpconv.toml")],
        cwd=folder,
        check=True,
        timeout=30,
    )
    return folder / "deploy/secrets"


@pytest.mark.parametrize("file", NODES)
def test_no_service_has_rights_that_it_does_not_need(file: str) -> None:
    for name, service in composed(file)["services"].items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else [])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & set(service)
        assert service["pids_limit"]
        assert service["logging"]["options"]["max-size"]
        assert service["restart"] == "unless-stopped"
        # Compose changes files of its own only in volumes and memory.
        assert all(volume["type"] == "volume" or volume["read_only"] for volume in service["volumes"])


@pytest.mark.parametrize("file", NODES)
def test_only_the_proxy_is_published(file: str) -> None:
    published = {name for name, service in composed(file)["services"].items() if service.get("ports")}
    assert published == {"caddy"}
    front = {name for name, each in composed(file)["services"].items() if "front" in each["networks"]}
    assert front == {"caddy", *NODES[file]}


def test_the_database_is_reached_by_the_nodes_only() -> None:
    (postgres,) = services("compose.yaml", "postgres")
    assert [*postgres["networks"]] == ["back"]
    assert composed("compose.yaml")["networks"]["back"]["internal"] is True


@pytest.mark.parametrize("file", NODES)
def test_a_node_is_the_image_of_this_version_with_its_own_data_and_time_to_stop(file: str) -> None:
    for node in services(file, *NODES[file]):
        assert node["image"] == f"otpconv:{__version__}", "set the image to this version"
        assert (node["build"]["context"], node["build"]["dockerfile"]) == (
            str(DEPLOY.parent),
            "deploy/Containerfile",
        )
        assert [volume["target"] for volume in node["volumes"]] == values("VOLUME")
        drain = int(node["environment"].get("OTPCONV_DRAIN_SECONDS", "0"))
        assert seconds(node["stop_grace_period"]) >= drain + STOP_S + SPARE_S
        # One node has no other one to which requests could go.
        assert (drain > 3) == (len(NODES[file]) > 1)
        assert node["init"] is True
        # The image's own command and health check.
        assert (node["command"], node["entrypoint"], "healthcheck" in node) == (None, None, False)
    data = [node["volumes"][0]["source"] for node in services(file, *NODES[file])]
    assert len({*data}) == len(data)


@pytest.mark.parametrize("file", NODES)
def test_the_server_accepts_the_settings_of_a_node(
    file: str, secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for node in services(file, *NODES[file]):
        environment = image_environment() | node["environment"]
        assert unknown_settings(environment) == []
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if "OTPCONV_CONFIG" in environment:
            (secret,) = node["secrets"]
            assert environment["OTPCONV_CONFIG"] == f"/run/secrets/{secret['source']}"
            monkeypatch.setenv("OTPCONV_CONFIG", str(secrets / secret["source"]))
        settings = load(data=tmp_path / "data")
        assert (settings.ledger is not None) == ("OTPCONV_CONFIG" in environment)
        assert (settings.sealing_key is not None) == ("OTPCONV_CONFIG" in environment)
        open_sealer(settings.model_copy(update={"ledger": None}))
        assert settings.require_tls
        assert settings.public_url == f"https://{DOMAIN}"
        (network,) = composed(file)["networks"]["front"]["ipam"]["config"]
        assert settings.trusted_networks() == (ip_network(network["subnet"]),)


def test_the_image_has_what_a_ledger_in_postgresql_needs() -> None:
    lock = (DEPLOY.parent / "requirements/server.txt").read_text(encoding="utf-8")
    assert re.search(r"^psycopg==", lock, re.MULTILINE)


@pytest.mark.parametrize("file", NODES)
def test_the_proxy_knows_each_node_and_waits_for_it(file: str) -> None:
    (caddy,) = services(file, "caddy")
    port = image_environment()["OTPCONV_PORT"]
    assert caddy["environment"]["NODES"].split() == [f"{node}:{port}" for node in NODES[file]]
    assert caddy["environment"]["DOMAIN"] == DOMAIN
    assert {name: need["condition"] for name, need in caddy["depends_on"].items()} == dict.fromkeys(
        NODES[file], "service_healthy"
    )


def test_the_database_and_the_proxy_have_health_checks() -> None:
    assert {
        name for name, service in composed("compose.yaml")["services"].items() if "healthcheck" in service
    } == {"caddy", "postgres"}
    for node in services("compose.yaml", *NODES["compose.yaml"]):
        assert node["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_the_password_is_one_and_reaches_the_database_as_a_file(secrets: Path) -> None:
    password = (secrets / "postgres-password").read_text(encoding="ascii")
    settings = (secrets / "otpconv.toml").read_text(encoding="utf-8")
    (postgres,) = services("compose.yaml", "postgres")
    environment = postgres["environment"]
    assert environment["POSTGRES_PASSWORD_FILE"] == f"/run/secrets/{postgres['secrets'][0]['source']}"
    address = f"{environment['POSTGRES_USER']}:{password}@postgres/{environment['POSTGRES_DB']}"
    assert f'ledger = "postgresql://{address}"' in settings
    assert len(password) >= 32
    # Other users of the machine can't enter the folder, and those of the containers can read the files.
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in secrets.iterdir()} == {0o644}


@pytest.mark.parametrize("file", NODES)
def test_no_secret_is_in_the_environment(file: str) -> None:
    secret = {f"OTPCONV_{name.upper()}" for name in _SECRET | {"ledger"}}
    for service in services(file):
        names = set(service.get("environment", {}))
        assert not names & secret
        assert [name for name in names if re.search("PASSWORD|SECRET|KEY", name)] in (
            [],
            ["POSTGRES_PASSWORD_FILE"],
        )


def test_the_folder_of_secrets_is_not_committed() -> None:
    files = {Path(secret["file"]) for secret in composed("compose.yaml")["secrets"].values()}
    assert {file.parent for file in files} == {DEPLOY / "secrets"}
    assert "/deploy/secrets/" in (DEPLOY.parent / ".gitignore").read_text(encoding="utf-8").splitlines()
