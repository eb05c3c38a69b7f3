"""Reads the deployment files, and what they must agree with in the code."""

import inspect
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from debian import program
from otpconv.config import Settings
from otpconv.ledger.applier import Applier
from otpconv.web.front.server import _GRACE_S, _HALF_SENT_S, _LINGER_S

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
#: Where the tools of the tests are installed.
BIN = Path(sys.executable).parent
#: The longest graceful stop of the server, s: its requests, and then the accepted reports.
STOP_S = (
    2 * _HALF_SENT_S + _GRACE_S + _LINGER_S + inspect.signature(Applier.stop).parameters["timeout_s"].default
)
#: How much more time than that a file must give, s: to close files and to end the process.
SPARE_S = 10
#: The user and group of the image.
UID = 10001


class Instruction(NamedTuple):
    """One instruction of a Containerfile."""

    name: str
    value: str


def image() -> list[list[Instruction]]:
    """Return the instructions of each stage of the Containerfile."""
    lines = [
        line
        for line in (DEPLOY / "Containerfile").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    stages: list[list[Instruction]] = []
    for line in filter(None, text.splitlines()):
        name, _, value = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append(Instruction(name, value))
    return stages


def values(name: str) -> list[str]:
    """Return the values of one kind of instruction of the image's last stage."""
    return [instruction.value for instruction in image()[-1] if instruction.name == name]


def image_environment() -> dict[str, str]:
    """Return the variables that the image sets."""
    return dict(pair.split("=", 1) for value in values("ENV") for pair in value.split())


def unit() -> dict[str, list[str]]:
    """Return the settings of the unit, each with all its values."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "otpconv.service").read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def system_calls(sets: list[str]) -> list[str]:
    """Return the system calls that a list of values of SystemCallFilter allows."""
    listed = subprocess.run(  # noqa: S603 - Debian's own program
        [program("systemd-analyze", "systemd"), "syscall-filter"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    members: dict[str, list[str]] = {}
    for line in listed.stdout.splitlines():
        if line.startswith("@"):
            members[line.strip()] = []
        elif line.startswith("    ") and not line.strip().startswith("#"):
            members[[*members][-1]].append(line.strip())

    def calls(name: str) -> set[str]:
        return set().union(*map(calls, members[name])) if name in members else {name}

    allowed: set[str] = set()
    for value in sets:
        for name in value.removeprefix("~").split():
            allowed = allowed - calls(name) if value.startswith("~") else allowed | calls(name)
    return sorted(allowed)


def manifests(*names: str) -> list[dict[str, Any]]:
    """Return the objects in files of the Kubernetes manifests; without names, in all."""
    files = [DEPLOY / "kubernetes" / name for name in names] or sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    return [each for file in files for each in _objects(file)]


@cache
def _objects(file: Path) -> list[dict[str, Any]]:
    return [*yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def unknown_settings(variables: dict[str, str]) -> list[str]:
    """Return the variables with our prefix that are not settings."""
    known = {f"OTPCONV_{name.upper()}" for name in Settings.model_fields} | {"OTPCONV_CONFIG"}
    return [name for name in variables if name.startswith("OTPCONV_") and name not in known]


def documented(part: str) -> str:
    """Return the block of shell commands in the how-to that contains a text."""
    text = (ROOT / "docs/how-to/deploy.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if part in block)
    return str(block)
