"""The engines under test, and the way to the plain modules beside this file."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# importmode=importlib adds nothing to the path: `from ledger.recount import …` needs it.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ledger.engines import ENGINES, Engine, Storage

#: Thousands of small commits: nobody pulls the plug here, so they need not wait for a disk.
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    kind: type[Engine] = request.param
    fast = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="otpconv-", dir=fast) as root:
        yield kind(Path(root))


@pytest.fixture
def storage(engine: Engine) -> Iterator[Storage]:
    with engine.open() as opened:
        yield opened
