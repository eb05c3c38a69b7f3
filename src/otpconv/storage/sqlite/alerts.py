"""The file of the alerts and their notifications."""

from pathlib import Path
from typing import Final

from otpconv.storage.alerts import store as alerts
from otpconv.storage.notifications import store as notifications
from otpconv.storage.sqlite.tables import Schema, TablesFile

#: Of `alerts.sqlite`, whichever of its tables are used.
SCHEMA: Final = Schema(1, "alerts.sql", added=("notifications.sql",))


def alerts_file(path: Path) -> alerts.TableAlertStore:
    """Return the alerts in a file; the first thread that uses them opens or creates the file."""
    return alerts.TableAlertStore(TablesFile(path, SCHEMA, alerts.STATEMENTS))


def notifications_file(path: Path) -> notifications.TableNotificationStore:
    """Return the notifications in a file; the first thread that uses them opens or creates the file."""
    return notifications.TableNotificationStore(TablesFile(path, SCHEMA, notifications.STATEMENTS))
