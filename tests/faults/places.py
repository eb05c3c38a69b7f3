"""A storage of a test's own, in files or in a PostgreSQL, and servers on it, one after the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from cluster import cluster
from otpconv.cli.local_server import LocalServer
from otpconv.config import Settings, load
from web.wire import NO_TLS

ENGINES = ["sqlite", "postgres"]


class Place:
    """Where a server keeps what it stores.

    Attributes:
        settings: of what else uses it.
        key: id and secret of an administrator; known once a server has run.
    """

    def __init__(
        self, data: Path, settings: Settings, environment: dict[str, str], key: tuple[str, str] = ("", "")
    ) -> None:
        self.settings = settings
        self.key = key
        self._data = data
        self._environment = environment

    @contextmanager
    def served(self, **settings: str) -> Iterator[httpx.Client]:
        """Start a server with some settings, and return what calls it."""
        with LocalServer(self._data, self._environment | settings) as server:
            if not self.key[0]:  # only the first server on a folder says its key
                self.key = server.access_key_id, server.access_key_secret
            with httpx.Client(base_url=server.url, auth=self.key, verify=NO_TLS, timeout=60.0) as client:
                yield client


@contextmanager
def place(engine: str, folder: Path) -> Iterator[Place]:
    """Make a new storage."""
    if engine == "sqlite":
        yield Place(folder / "data", load(data=folder / "data"), {})
        return
    with cluster(folder) as nodes:
        key = nodes.admin.access_key_id, nodes.admin.secret
        yield Place(folder / "node", nodes.settings, nodes.environment, key)
