"""The sandbox: an account of its own for calls that must not count in anybody's numbers."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Lock
from typing import Final

from otpconv.access.directory import Directory
from otpconv.access.keys import AccessKey, KeyStore
from otpconv.audit import record
from otpconv.errors import InactiveAccessKey

ACCOUNT: Final = "sandbox"
_USER: Final = "explorer"
#: It may report and read, and nothing else.
_POLICIES: Final = ("OtpconvReportOnly", "OtpconvReadOnly")


class Sandbox:
    """The access key with which the explorer calls in the sandbox; created when it is first needed.

    Args:
        store: the access keys.
        directory: opens the users and their policies.
        data: the data folder, for the audit trail.
    """

    def __init__(self, store: KeyStore, directory: Callable[[], Directory], data: Path) -> None:
        self._store = store
        self._directory = directory
        self._data = data
        self._one_at_a_time = Lock()

    def key(self) -> AccessKey:
        """Return the access key, without its grants; waits for the disk, so call it beside the event loop.

        Raises:
            InactiveAccessKey: an operator has disabled it.
            Unavailable: the disk is full or fails.
        """
        with self._one_at_a_time:  # two first calls at the same time create one key
            own = [key for key in self._store.list() if (key.account_name, key.user) == (ACCOUNT, _USER)]
            key = next((key for key in own if key.active), None)
            if key is None and own:
                raise InactiveAccessKey(
                    f"The sandbox is disabled, since its access key {own[0].access_key_id} is. To enable it,"
                    f" run: otpconv keys enable {own[0].access_key_id}"
                )
            return key or self._create()

    def _create(self) -> AccessKey:
        key = self._store.create(ACCOUNT, _USER, _POLICIES[0])
        with closing(self._directory()) as directory:
            for policy in _POLICIES[1:]:
                directory.attach("user", ACCOUNT, _USER, policy)
        subject = f"user {ACCOUNT}/{_USER}, policies {', '.join(_POLICIES)}, key {key.access_key_id}"
        record(self._data, who="server", what="CreateAccessKey", subject=subject)
        return key
