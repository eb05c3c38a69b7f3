"""The Kubernetes manifests: valid, without rights, in agreement with the image and the server."""

from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest

from deploy.files import (
    SPARE_S,
    STOP_S,
    UID,
    documented,
    image_environment,
    manifests,
    unknown_settings,
    values,
)
from otpconv import __version__
from otpconv.access.sealing import load_key
from otpconv.audit import MAX_REFUSALS_BYTES
from otpconv.config import Settings, load
from otpconv.errors import Misconfigured
from otpconv.service.readiness import WAIT_S

#: The oldest version of Kubernetes in which every field is stable, and the newest that the validator knows.
VERSIONS = ["1.31", str(kubernetes_validate.latest_version())]
#: What starts the pods of each variant.
WORKLOADS = {"postgres.yaml": "Deployment", "sqlite.yaml": "StatefulSet"}
LABELS = {"app.kubernetes.io/name": "otpconv"}

both = pytest.mark.parametrize("file", WORKLOADS)


def objects(kind: str, *files: str) -> list[dict[str, Any]]:
    """Return the objects of a kind, in files or in all of them."""
    return [each for each in manifests(*files) if each["kind"] == kind]


def workload(file: str) -> dict[str, Any]:
    """Return the specification of what starts the pods of a variant."""
    (found,) = objects(WORKLOADS[file], file)
    return found["spec"]  # type: ignore[no-any-return]


def pod(file: str) -> dict[str, Any]:
    """Return the specification of the pods of a variant."""
    return workload(file)["template"]["spec"]  # type: ignore[no-any-return]


def container(file: str) -> dict[str, Any]:
    """Return the only container of the pods of a variant."""
    (found,) = pod(file)["containers"]
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_are_valid(version: str) -> None:
    assert len(manifests()) > len(WORKLOADS)
    for each in manifests():
        kubernetes_validate.validate(each, version, strict=True)


def test_all_objects_are_in_one_namespace_that_enforces_the_restricted_profile() -> None:
    (namespace,) = objects("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = [each["metadata"].get("namespace") for each in manifests() if each["kind"] != "Namespace"]
    assert {*others} == {namespace["metadata"]["name"]}


@both
def test_a_pod_has_no_rights(file: str) -> None:
    given = pod(file)["securityContext"]
    assert (given["runAsNonRoot"], given["runAsUser"], given["runAsGroup"]) == (True, UID, UID)
    assert given["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(file)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(file)["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod(file))
    assert container(file)["resources"]["limits"]["memory"]


@both
def test_a_pod_writes_to_the_data_and_to_tmp_only(file: str) -> None:
    mounts = {mount["mountPath"]: mount for mount in container(file)["volumeMounts"]}
    writable = [path for path, mount in mounts.items() if not mount.get("readOnly")]
    assert writable == [*values("VOLUME"), "/tmp"]  # noqa: S108
    volumes = {volume["name"]: volume for volume in pod(file)["volumes"]}
    claims = {claim["metadata"]["name"] for claim in workload(file).get("volumeClaimTemplates", [])}
    assert {mount["name"] for mount in mounts.values()} == {*volumes} | claims
    assert all(volume["emptyDir"]["sizeLimit"] for volume in volumes.values() if "emptyDir" in volume)


def test_the_folder_of_a_node_has_room_for_the_audit_trail() -> None:
    (data,) = (volume for volume in pod("postgres.yaml")["volumes"] if volume["name"] == "data")
    assert int(data["emptyDir"]["sizeLimit"].removesuffix("Gi")) * 1024**3 >= 2 * MAX_REFUSALS_BYTES


@both
def test_the_server_accepts_the_settings(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = container(file)["env"]
    assert all(set(each) == {"name", "value"} for each in given), "secrets belong into the mounted file"
    environment = image_environment() | {each["name"]: each["value"] for each in given}
    assert unknown_settings(environment) == []
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    secret = tmp_path / "otpconv.toml"
    secret.write_text(f'sealing_key = "{"0123456789abcdef" * 4}"\n', encoding="utf-8")
    monkeypatch.setenv("OTPCONV_CONFIG", str(secret))
    settings = load()
    assert settings.sealing_key is not None
    assert settings.trusted_proxies
    assert str(settings.public_url).startswith("https://")


@both
def test_the_secret_of_the_how_to_is_mounted_where_the_server_reads_its_settings(file: str) -> None:
    commands = documented("kubectl create secret")
    (settings,) = (volume for volume in pod(file)["volumes"] if "secret" in volume)
    assert f"secret generic {settings['secret']['secretName']} " in commands
    (mount,) = (each for each in container(file)["volumeMounts"] if each["name"] == settings["name"])
    (config,) = (each["value"] for each in container(file)["env"] if each["name"] == "OTPCONV_CONFIG")
    assert config == f"{mount['mountPath']}/otpconv.toml"
    assert "--from-file otpconv.toml\n" in commands
    # The server is not root; it reads the file as a member of the group.
    assert settings["secret"]["defaultMode"] == 0o440
    assert pod(file)["securityContext"]["fsGroup"] == UID


@both
def test_the_variables_of_the_service_do_not_reach_the_server(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (service,) = objects("Service")
    assert pod(file)["enableServiceLinks"] is False
    monkeypatch.setenv(f"{service['metadata']['name'].upper()}_PORT", "tcp://10.96.0.17:8080")
    with pytest.raises(Misconfigured, match="setting port"):
        load()


@both
def test_the_probes_ask_paths_that_the_server_answers(file: str, native: httpx.Client) -> None:
    probes = {kind: container(file)[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")}
    for probe in probes.values():
        answer = native.get(probe["httpGet"]["path"], auth=None)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert probe["httpGet"]["port"] == container(file)["ports"][0]["name"]
    # A server that is not ready, e.g. because its disk is full, must not be restarted for it.
    assert {kind: probe["httpGet"]["path"] for kind, probe in probes.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert probes["readiness"]["timeoutSeconds"] > WAIT_S
    assert probes["startup"]["periodSeconds"] * probes["startup"]["failureThreshold"] >= 600


@both
def test_a_pod_has_time_to_stop(file: str) -> None:
    (pause,) = (each["value"] for each in container(file)["env"] if each["name"] == "OTPCONV_DRAIN_SECONDS")
    # By then its readiness probe has failed.
    readiness = container(file)["readinessProbe"]
    assert int(pause) >= readiness["periodSeconds"] * readiness["failureThreshold"]
    assert pod(file)["terminationGracePeriodSeconds"] >= int(pause) + STOP_S + SPARE_S


@both
def test_the_image_and_its_port_are_those_of_this_version(file: str) -> None:
    assert container(file)["image"] == f"otpconv:{__version__}", "set the image to this version"
    assert not {"command", "args"} & set(container(file))
    (port,) = container(file)["ports"]
    assert str(port["containerPort"]) == image_environment()["OTPCONV_PORT"]
    (service,) = objects("Service")
    assert [each["targetPort"] for each in service["spec"]["ports"]] == [port["name"]]


@both
def test_everything_selects_the_pods(file: str) -> None:
    assert workload(file)["selector"]["matchLabels"] == LABELS
    assert workload(file)["template"]["metadata"]["labels"] == LABELS
    (service,) = objects("Service")
    assert service["spec"]["selector"] == LABELS
    for each in objects("PodDisruptionBudget", file):
        assert each["spec"]["selector"]["matchLabels"] == LABELS


def test_the_nodes_are_restarted_one_after_the_other() -> None:
    nodes = workload("postgres.yaml")
    assert nodes["replicas"] == 2
    assert nodes["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    (budget,) = objects("PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] < nodes["replicas"]
    (spread,) = pod("postgres.yaml")["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == LABELS


def test_two_servers_never_share_a_data_folder() -> None:
    node = workload("sqlite.yaml")
    assert node["replicas"] == 1
    (claim,) = node["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert objects("PodDisruptionBudget", "sqlite.yaml") == []


def test_the_volume_keeps_the_sealing_key_private(tmp_path: Path) -> None:
    assert pod("sqlite.yaml")["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    file = tmp_path / "sealing.key"
    load_key(file, None)
    file.chmod(0o660)  # as the policy Always would do
    with pytest.raises(Misconfigured):
        load_key(file, None)


@both
def test_the_network_is_closed_but_for_what_the_server_needs(file: str) -> None:
    policies = objects("NetworkPolicy", "service.yaml", file)
    (closed,) = (each for each in policies if each["spec"]["podSelector"] == {})
    assert closed["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & set(closed["spec"])
    opened = [each["spec"] for each in policies if each is not closed]
    assert all(each["podSelector"] == {"matchLabels": LABELS} for each in opened)
    incoming = [rule for each in opened for rule in each.get("ingress", [])]
    assert all(rule["from"] for rule in incoming)
    assert {port["port"] for rule in incoming for port in rule["ports"]} == {
        container(file)["ports"][0]["name"]
    }
    outgoing = {port["port"] for each in opened for rule in each.get("egress", []) for port in rule["ports"]}
    assert outgoing == ({53, 5432} if file == "postgres.yaml" else {53})


def test_the_setting_of_the_ledger_is_not_in_the_environment() -> None:
    assert [
        each["name"]
        for file in WORKLOADS
        for each in container(file)["env"]
        if each["name"] in {"OTPCONV_LEDGER", "OTPCONV_SEALING_KEY", "OTPCONV_OIDC_CLIENT_SECRET"}
    ] == []
    assert {"sealing_key", "oidc_client_secret"} <= set(Settings.model_fields)
