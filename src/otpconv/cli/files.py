"""Files that are there when they are complete, and that only their owner may read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from otpconv.errors import Misconfigured


@contextmanager
def new_file(path: Path, option: str) -> Iterator[BinaryIO]:
    """Give a stream to write to; the file gets its name when the context ends without an error.

    Args:
        path: the name of the file; an existing one is replaced.
        option: the option that names the file, for the error.

    Raises:
        Misconfigured: the file can't be written.
    """
    draft = path.with_name(f"{path.name}.new")
    try:
        with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
            yield stream
        draft.replace(path)
    except OSError as error:
        raise Misconfigured(
            f"{path} can't be written ({error.strerror}): give another file with {option}"
        ) from None
    finally:
        draft.unlink(missing_ok=True)


def publish(draft: Path, file: Path) -> None:
    """Give a complete file its name in one step, durably, unless something has that name by now.

    Raises:
        FileExistsError: something has it.
        OSError: the folder can't be written.
    """
    try:
        os.link(draft, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        draft.rename(file)
    descriptor = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
