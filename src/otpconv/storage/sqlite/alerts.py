"""The file of the alerts."""

from pathlib import Path
from typing import Final

from otpconv.storage.alerts.store import STATEMENTS, TableAlertStore
from otpconv.storage.sqlite.tables import Schema, TablesFile

#: Of `alerts.sqlite`, whichever of its tables are used.
SCHEMA: Final = Schema(1, "alerts.sql")


def alerts_file(path: Path) -> TableAlertStore:
    """Return the alerts in a file; the first thread that uses them opens or creates the file."""
    return TableAlertStore(TablesFile(path, SCHEMA, STATEMENTS))
