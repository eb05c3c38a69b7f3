"""The contract and the laws are tested on the oldest version of Debian and on the newest one."""

from contextlib import closing

import psycopg
import pytest

import postgresql


@pytest.mark.campaign("nothing else starts PostgreSQL 18 in make test")
def test_there_are_servers_of_two_major_versions() -> None:
    def version(server: postgresql.PostgresServer) -> int:
        with closing(psycopg.connect(server.socket_url)) as connection:
            return connection.info.server_version // 10_000

    oldest = version(postgresql.shared())
    assert 15 <= oldest < version(postgresql.shared(postgresql.newest())) == 18
