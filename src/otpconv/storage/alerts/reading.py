"""Reads all alerts of an account that last."""

from otpconv.storage.alerts.contract import LASTING, MAX_ALERTS, MAX_LASTING, Alert, AlertStore


def all_lasting(store: AlertStore, account: int) -> list[Alert]:
    """Return the alerts of an account that last, the newest first; waits for the disk.

    Raises:
        Unavailable: the storage failed.
    """
    found: list[Alert] = []
    while len(found) < MAX_LASTING:
        part = store.alerts(account, LASTING, before=found[-1].id if found else None)
        found += part
        if len(part) < MAX_ALERTS:
            break
    return found
