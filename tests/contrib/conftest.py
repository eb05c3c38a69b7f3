"""How an application reports to the tests' server, and what that has counted afterwards."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer

Eventually = Callable[[Callable[[], object], object], None]
Arrived = Callable[..., None]


@pytest.fixture
def options(server: LocalServer, key: AccessKey, tmp_path: Path) -> dict[str, str]:
    """The arguments of a Reporter."""
    return {
        "endpoint": server.url,
        "access_key_id": key.access_key_id,
        "access_key_secret": key.secret,
        "spool": str(tmp_path / "spool"),
    }


@pytest.fixture
def variables(options: dict[str, str]) -> dict[str, str]:
    """The same as variables of the environment."""
    return {f"OTPCONV_{name.upper()}": value for name, value in options.items()}


@pytest.fixture
def arrived(own: httpx.Client, eventually: Eventually) -> Arrived:
    """Waits until as many messages are counted as requested, and as verified; once each, and no more."""

    def check(requested: int, verified: int) -> None:
        def counted() -> list[tuple[int, int]]:
            rows = own.get("/v1/rates").json()["rows"]
            return [(row["requested"], row["verified"]) for row in rows]

        eventually(counted, [(requested, verified)])

    return check
