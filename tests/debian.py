"""Programs of Debian that tests run, installed when they are missing and we may."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

#: Debian keeps daemons where a user's PATH does not look.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])  # noqa: TID251


@contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Hold a lock of this machine's user, so that parallel workers install a thing once."""
    with (Path(tempfile.gettempdir()) / f"otpconv-tests-{os.getuid()}-{name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def program(name: str, *packages: str) -> str:
    """Return the path of a program of some packages; skip the test where it can't be installed."""
    if path := shutil.which(name, path=_PATH):
        return path
    with one_at_a_time("apt"):
        path = shutil.which(name, path=_PATH) or _install(name, packages)
    return path or pytest.skip(f"{' '.join(packages)} can't be installed here")


def _install(name: str, packages: tuple[str, ...]) -> str | None:
    apt = shutil.which("apt-get")
    if apt is None or os.getuid() != 0:
        pytest.skip(f"{name} is not installed: apt-get install {' '.join(packages)}")
    quiet = [apt, "-qq", "-o", "Dpkg::Use-Pty=0"]
    subprocess.run([*quiet, "update"], check=False, capture_output=True)  # noqa: S603
    subprocess.run(  # noqa: S603
        [*quiet, "install", "--no-install-recommends", "-y", *packages],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},  # noqa: TID251
        check=False,
        capture_output=True,
    )
    return shutil.which(name, path=_PATH)
