"""A network namespace with two links to this machine: one for callers, and one that can be cut."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

#: The machine's and the namespace's address on each link; no other network uses them.
CALLERS = ("10.211.37.1", "10.211.37.2")
DATABASE = ("10.211.37.5", "10.211.37.6")


class Namespace:
    """A namespace; `cut` drops all packets of the link to the database, as a broken switch does."""

    def __init__(self, ip: str) -> None:
        self._ip = ip
        self._name = f"otpconv-{os.getpid()}"

    def create(self) -> None:
        self._run("netns", "add", self._name)
        self._run("-n", self._name, "link", "set", "lo", "up")
        for link, (outside, inside) in (("c", CALLERS), ("d", DATABASE)):
            here, there = f"{link}h{os.getpid()}", f"{link}n{os.getpid()}"
            self._run("link", "add", here, "type", "veth", "peer", "name", there, "netns", self._name)
            self._run("addr", "add", f"{outside}/30", "dev", here)
            self._run("link", "set", here, "up")
            self._run("-n", self._name, "addr", "add", f"{inside}/30", "dev", there)
            self._run("-n", self._name, "link", "set", there, "up")

    def remove(self) -> None:
        self._run("netns", "delete", self._name)

    def cut(self) -> None:
        self._run("link", "set", f"dh{os.getpid()}", "down")

    def heal(self) -> None:
        self._run("link", "set", f"dh{os.getpid()}", "up")

    def run(self, words: list[str], log: IO[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
        """Start otpconv in the namespace; see `run_otpconv`."""
        inside = [self._ip, "netns", "exec", self._name, sys.executable, "-m", "otpconv", *words]
        return subprocess.Popen(  # noqa: S603 - our own command
            inside, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, start_new_session=True
        )

    def _run(self, *words: str) -> None:
        subprocess.run([self._ip, *words], check=True, capture_output=True)  # noqa: S603


@contextmanager
def namespace() -> Iterator[Namespace]:
    """Create a namespace while the context lasts; skip the test where we may not."""
    ip = shutil.which("ip", path="/usr/sbin:/usr/bin:/sbin")
    if ip is None or os.getuid() != 0:
        pytest.skip("only root can create a network namespace, with the program ip (Debian: iproute2)")
    made = Namespace(ip)
    try:
        made.create()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be created here: {error.stderr.decode().strip()}")
    try:
        yield made
    finally:
        made.remove()
