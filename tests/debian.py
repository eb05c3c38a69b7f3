"""Programs of Debian that tests run, installed when they are missing and we may."""

import os
import shutil
import subprocess

import pytest

#: Debian keeps daemons where a user's PATH does not look.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])  # noqa: TID251


def program(name: str, package: str) -> str:
    """The path of a program; the test is skipped where it can't be had."""
    if path := shutil.which(name, path=_PATH):
        return path
    apt = shutil.which("apt-get")
    if apt is None or os.getuid() != 0:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    quiet = [apt, "-qq", "-o", "Dpkg::Use-Pty=0"]
    subprocess.run([*quiet, "update"], check=False, capture_output=True)  # noqa: S603
    subprocess.run(  # noqa: S603
        [*quiet, "install", "--no-install-recommends", "-y", package],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},  # noqa: TID251
        check=False,
        capture_output=True,
    )
    return shutil.which(name, path=_PATH) or pytest.skip(f"{package} can't be installed here")
