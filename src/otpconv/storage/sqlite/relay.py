"""The file of the relay."""

from pathlib import Path
from typing import Final

from otpconv.storage.relay.store import STATEMENTS, TableRelayStore
from otpconv.storage.sqlite.tables import Schema, TablesFile

_SCHEMA: Final = Schema(2, "relay.sql", {1: "relay_upgrade_to_2.sql"})


def relay_file(path: Path) -> TableRelayStore:
    """Return what the relay keeps in a file; the first thread that uses it opens or creates the file."""
    return TableRelayStore(TablesFile(path, _SCHEMA, STATEMENTS))
