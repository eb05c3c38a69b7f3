"""The first access key: made in a folder that never had one, and never again."""

import shlex
from pathlib import Path

from otpconv.access.keys import KeyStore
from otpconv.audit import record
from otpconv.errors import Misconfigured
from otpconv.service.data_folder import write_private

#: In the data folder: ID:SECRET, for its owner alone.
FILE = "first-key"


def first_key_file(store: KeyStore, data: Path, *, had_keys: bool, make: bool) -> Path | None:
    """Return the file with the first access key, made with its key when there has never been any.

    Args:
        store: the access keys.
        data: the data folder.
        had_keys: whether a server with access keys has used the folder before.
        make: whether to make a key when there has never been one.

    Returns:
        None when an operator has made the keys, or has deleted the file.

    Raises:
        Misconfigured: there is no key, although there was one: the file of the keys was lost or damaged.
    """
    file = data / FILE
    if not store.list():
        if had_keys or file.exists():
            raise Misconfigured(
                f"{data} has no access key, although this folder had one: access.sqlite or the database"
                " was lost or damaged. Restore it from a backup, with its sealing.key, or create a new key:"
                f" otpconv keys create admin --policy AdministratorAccess --data {shlex.quote(str(data))}"
            )
        if make:
            key = store.create("default", "admin", "AdministratorAccess")
            made = f"user default/admin, policy AdministratorAccess, key {key.access_key_id}"
            record(data, who="server", what="CreateAccessKey", subject=made)
            write_private(file, f"{key.access_key_id}:{key.secret}\n")
    return file if file.exists() else None
