"""The data folder of a server: making it, holding it for one process, and telling whether it is held."""

import os
from pathlib import Path
from typing import IO

from otpconv import folder
from otpconv.errors import Misconfigured


def make(data: Path) -> Path:
    """Make the folder if it is not there, open to its owner alone, and return it.

    Raises:
        Misconfigured: it can't be made.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"the data folder {data} can't be created ({error.strerror}): choose another one with --data"
        ) from error
    return data


def hold(data: Path) -> IO[str]:
    """Make the folder and hold it for this process until the returned file is closed or the process ends.

    Raises:
        Misconfigured: another process holds it, or it can't be made.
    """
    try:
        return folder.lock_file(make(data) / "lock")
    except BlockingIOError:
        raise Misconfigured(
            f"another otpconv server uses {data}: stop it, or choose another folder with --data"
        ) from None
    except OSError as error:
        raise Misconfigured(
            f"the data folder {data} can't be written ({error.strerror}): check its permissions and its disk"
        ) from None


def note_url(held: IO[str], url: str) -> None:
    """Write the URL of the running server into the file that `hold` returned, for `url_of_server`."""
    held.seek(0)
    held.truncate()
    held.write(f"{url}\n")
    held.flush()


def url_of_server(data: Path) -> str | None:
    """Return the URL of the server that holds the folder; None if none does, or it did not write its URL."""
    return (data / "lock").read_text(encoding="utf-8").strip() or None if is_held(data) else None


def is_held(data: Path) -> bool:
    """Return whether a process holds the folder."""
    return folder.is_locked(data / "lock")


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    with open(file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
        stream.write(text)
