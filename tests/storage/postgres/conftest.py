from collections.abc import Iterator

import pytest

import postgresql
from otpconv.storage.postgres import migrations
from otpconv.storage.postgres.address import Address
from otpconv.storage.postgres.database import Database


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of a database of the test's own, with a password."""
    with postgresql.new_database(postgresql.shared()) as created:
        yield created


@pytest.fixture
def database(url: str) -> Database:
    """A database with the tables of otpconv."""
    made = Database(Address(url))
    assert migrations.create(made)
    return made
