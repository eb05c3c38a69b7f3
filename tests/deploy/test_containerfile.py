"""The image: its server runs on a read-only root without rights, and its file agrees with the code."""

import json
import re
import shutil
import signal
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from deploy.confined import confined
from deploy.files import BIN, DEPLOY, ROOT, STOP_S, UID, image, image_environment, unknown_settings, values
from otpconv.config import load
from otpconv.service.data_folder import url_of_server


class Container(NamedTuple):
    """A server that runs like in a container."""

    folder: Path
    url: str
    environment: dict[str, str]
    process: "subprocess.Popen[str]"

    def run(self, *command: str) -> int:
        """Run another command with the same rights, as `docker exec` does; return its exit code."""
        with (self.folder / "log").open("a") as log:
            started = confined([*command], writable=self.folder, environment=self.environment, log=log)
            assert started.stdout
            with started.stdout:
                return started.wait(30)


def otpconv(*words: str) -> list[str]:
    """The image's entry point with words; the program is this environment's."""
    assert values("ENTRYPOINT") == ['["otpconv"]']
    return [sys.executable, "-m", "otpconv", *words]


def health_check() -> list[str]:
    """The command of the image's health check."""
    (value,) = values("HEALTHCHECK")
    command: list[str] = json.loads(value.partition("CMD ")[2])
    assert command.pop(0) == "python"
    return [sys.executable, *command]


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """The image's command with its variables, but for the folders, the port and the address."""
    folder = tmp_path_factory.mktemp("container")
    data = str(folder / "data")
    environment = image_environment() | {
        "PATH": "/usr/bin:/bin",
        "TMPDIR": str(folder),
        "SQLITE_TMPDIR": str(folder),
        "OTPCONV_DATA": data,
        "OTPCONV_HOST": "127.0.0.1",
        "OTPCONV_PORT": "0",
    }
    with (folder / "log").open("a") as log:
        words = otpconv(*json.loads(values("CMD")[0]))
        process = confined(words, writable=folder, environment=environment, log=log)
        assert process.stdout
        with process.stdout:
            assert process.stdout.readline(), (folder / "log").read_text()
            url = url_of_server(Path(data)) or ""
            environment["OTPCONV_PORT"] = url.rpartition(":")[2]
            yield Container(folder, url, environment, process)
            process.terminate()
            process.wait(STOP_S)


def test_the_linter_has_nothing_to_say() -> None:
    linted = subprocess.run(  # noqa: S603
        [BIN / "hadolint", DEPLOY / "Containerfile"], capture_output=True, text=True, check=False, timeout=30
    )
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


def test_the_image_is_not_root_and_serves_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = image_environment()
    assert values("USER") == [f"{UID}:{UID}"]
    assert unknown_settings(environment) == []
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert values("EXPOSE") == [str(settings.port)]
    assert values("VOLUME") == values("WORKDIR") == [str(settings.data)] == [environment["SQLITE_TMPDIR"]]
    assert settings.host == "0.0.0.0"  # noqa: S104
    assert values("STOPSIGNAL") == [signal.SIGTERM.name]


def test_both_stages_have_one_python_that_otpconv_supports_and_no_host_in_their_name() -> None:
    bases = {stage[0].value.removesuffix(" AS build") for stage in image()}
    assert len(bases) == 1
    (version,) = re.findall(r"^python:(3\.\d+)-slim$", bases.pop())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"
    assert tuple(map(int, version.split("."))) >= (3, 11)


def test_everything_is_installed_from_the_lock() -> None:
    installs = [
        command
        for instruction in image()[0]
        for command in instruction.value.split(" && ")
        if instruction.name == "RUN" and " install " in command
    ]
    assert len(installs) == 2
    assert installs[0].endswith(
        "install --require-hashes --only-binary=:all: --requirement requirements/server.txt"
    )
    assert installs[1].endswith("install --no-deps --no-build-isolation .")
    assert not any("pip install" in run for run in values("RUN"))


def users_of_locked_packages() -> dict[str, set[str]]:
    """Return what needs each package of the lock: other packages, otpconv, or `-r FILE`."""
    users: dict[str, set[str]] = {}
    for line in (ROOT / "requirements/server.txt").read_text(encoding="utf-8").splitlines():
        if package := re.match(r"([\w.-]+)==", line):
            users[package[1]] = set()
        elif user := re.fullmatch(r"    #(?: via)? +(.+?)(?: \(.*)?", line):
            users[[*users][-1]].add(user[1])
    return users


def test_the_image_has_no_package_that_only_builds() -> None:
    needed_by = users_of_locked_packages()
    building: set[str] = set()
    while new := {
        name
        for name, users in needed_by.items()
        if users <= building | {"-r requirements/build.in"} and name not in building
    }:
        building |= new
    assert "hatchling" in building
    (removed,) = re.findall(r"uninstall --yes (.*)", "\n".join(run.value for run in image()[0]))
    assert set(removed.split()) == building
    assert any("pip uninstall --yes" in run for run in values("RUN"))


def test_what_the_image_copies_is_enough_to_build_otpconv(tmp_path: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    for instruction in image()[0]:
        if instruction.name != "COPY":
            continue
        *sources, target = instruction.value.split()
        for name in sources:
            assert name in sent
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, tmp_path / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (tmp_path / target).mkdir(exist_ok=True)
                shutil.copy(ROOT / name, tmp_path / target)
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    package = {
        file.relative_to(ROOT / "src").as_posix()
        for file in (ROOT / "src/otpconv").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert package <= set(zipfile.ZipFile(wheel).namelist())


def test_the_server_runs_without_rights(container: Container) -> None:
    status = Path(f"/proc/{container.process.pid}/status").read_text(encoding="ascii")
    assert re.findall(r"^(Cap(?:Prm|Eff|Bnd)|NoNewPrivs):\s+(\w+)$", status, re.MULTILINE) == [
        ("CapPrm", "0" * 16),
        ("CapEff", "0" * 16),
        ("CapBnd", "0" * 16),
        ("NoNewPrivs", "1"),
    ]
    key = (container.folder / "data/first-key").read_text(encoding="ascii").strip()
    with httpx.Client(base_url=container.url, auth=tuple(key.split(":"))) as client:
        messages = {"messages": [{"message_id": "1", "to": "+4915112345678"}]}
        assert client.post("/v1/messages", json=messages).json()["recorded"] == 1
        assert client.get("/v1/rates").json()["rows"][0]["requested"] == 1
        assert client.get("/healthz").text == "ok\n"


def test_nothing_but_the_data_can_be_written(container: Container) -> None:
    for folder, code in ((ROOT, 1), (container.folder, 0)):
        file = folder / "written"
        assert container.run(sys.executable, "-c", f"open({str(file)!r}, 'w')") == code
        assert file.exists() == (code == 0)
    assert "Read-only file system" in (container.folder / "log").read_text(encoding="utf-8")


def test_a_backup_is_made_beside_the_server(container: Container) -> None:
    archive = container.folder / "data/backup.tar"
    assert container.run(*otpconv("ledger", "backup", str(archive))) == 0
    assert archive.stat().st_size > 0


def test_the_health_check_is_the_readiness_of_the_server(container: Container) -> None:
    assert container.run(*health_check()) == 0
    # The last test of this server: it exits with 0, well before the container would be killed.
    container.process.terminate()
    assert container.process.wait(STOP_S) == 0
    assert container.run(*health_check()) == 1
