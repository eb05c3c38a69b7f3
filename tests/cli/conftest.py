"""Commands for the tests, with the access key of the test's own account."""

from functools import partial

import pytest

from cli.commands import Run, client_of, otpconv
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer


@pytest.fixture
def at(server: LocalServer, key: AccessKey) -> Run:
    """Runs a command with the access key of the test's own account of the shared server."""
    return partial(otpconv, **client_of(server, key))
