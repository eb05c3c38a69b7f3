"""Opening SQLite files, reading named statements, and mapping SQLite's errors at the border."""

import contextlib
import errno
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import apsw

from otpconv.errors import Misconfigured, Unavailable
from otpconv.folder import alone
from otpconv.storage.sqlite.one_thread import Connection

_log = logging.getLogger(__name__)

#: How long a connection waits for another process's lock, ms.
_BUSY_TIMEOUT_MS = 5_000
#: A log is laid out where the disk has this many times as much.
_FREE_TIMES = 64
#: Memory for sorting in a reader's question, KiB; larger sorts use a temporary file.
_SORTED_KIB = 16 * 1024
#: A disk with less free space counts as full: the indexes of three logs, and some growth.
_ROOM_BYTES = 512 * 1024
#: What the system says of a path that waiting does not mend.
_NOT_OPENED = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


#: What SQLite stores and gives back.
Value = str | bytes | int | float | None


def statements(name: str) -> dict[str, str]:
    """Return the statements of one `.sql` file of this room by their names.

    A statement begins with a line `-- name: NAME` and goes on to the next such line.
    """
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return {parts[i]: parts[i + 1].strip() for i in range(1, len(parts), 2)}


def open_on_a_full_disk(folder: Path) -> None:
    """Let this process open its files also where the disk has no room for what SQLite makes beside them.

    SQLite shares the index of a write-ahead log in a file, which can't be made on a full disk. Without that
    file no other process can open the databases while this one runs.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_ROOM_BYTES))
            probe.flush()
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            apsw.set_default_vfs("unix-excl")
            _log.error(
                "the disk of %s is full: questions are answered, reports refused until there is room; the "
                "command line can't open the data until the server is restarted then",
                folder,
            )


def connect(
    path: Path,
    *,
    version: int,
    schema: str,
    durable: bool,
    log_bytes: int = 0,
    oldest: int = 0,
    upgrades: Mapping[int, str] | None = None,
) -> Connection:
    """Open a file for writing, make it if it is not there (mode 0600), and bring its schema in.

    Args:
        path: the file.
        version: the version of `schema`; a file of a newer one is refused.
        schema: statements that create what is not there yet.
        durable: whether a commit waits for the disk. A file that can be made again from the journal need not.
        log_bytes: how large to lay the write-ahead log out beforehand.
        oldest: the first version that `schema` brings up to date; a file of an older one is refused.
        upgrades: by version, statements that bring a file of that version to the next one before `schema`.

    Raises:
        Misconfigured: the file is not ours, damaged, or of a newer version, or one that is too old.
        Unavailable: the disk is full or fails.
    """
    with mapped(path), alone(path.parent):
        path.touch(mode=0o600)
        connection = Connection(os.fspath(path))
        _fix_plans(connection)
        connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full" if durable else "normal")
        connection.pragma("temp_store", "memory")
        found = connection.pragma("user_version")
        if not isinstance(found, int) or found > version:
            raise Misconfigured(f"{path} was written by a newer otpconv: upgrade otpconv to read it")
        if 0 < found < oldest:
            raise Misconfigured(f"{path} was written by an older otpconv: run `otpconv doctor --rebuild`")
        with connection:
            for number in range(found or version, version):
                list(connection.execute((upgrades or {}).get(number, "")))
            list(connection.execute(schema))
            if found != version:  # nothing is written where nothing is new: the disk may be full
                connection.pragma("user_version", version)
        if log_bytes:
            _lay_out(path.with_name(f"{path.name}-wal"), log_bytes)
    return connection


def connect_reader(path: Path) -> Connection:
    """Open an existing file for reading alone.

    Raises:
        Misconfigured: the file is not ours or damaged.
        Unavailable: the disk fails.
    """
    with mapped(path):
        connection = Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE)
        _fix_plans(connection)
        connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        connection.pragma("query_only", value=True)
        connection.pragma("temp_store", "file")
        connection.pragma("cache_size", -_SORTED_KIB)
        # Every commit of the applier empties a reader's own page cache; the mapped file stays.
        connection.pragma("mmap_size", 1 << 40)
    return connection


@contextmanager
def reading(path: Path) -> Iterator[apsw.Connection]:
    """Open an existing file for reading alone while the context lasts.

    Raises:
        Misconfigured: the file is not there, not ours or damaged.
        Unavailable: the disk fails.
    """
    if not path.is_file():
        raise Misconfigured(f"{path} is missing")
    connection = connect_reader(path)
    try:
        with mapped(path):
            yield connection
    finally:
        connection.close()


def version_of(path: Path) -> int:
    """Return the version of the schema of an existing file; 0 while there is none in it.

    Raises:
        Misconfigured: the file is not ours or damaged.
        Unavailable: the disk fails.
    """
    with reading(path) as connection:
        version = connection.pragma("user_version")
    return version if isinstance(version, int) else 0


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours: the one border.

    Raises:
        Misconfigured: the file is damaged, not a database, or may not be opened.
        Unavailable: anything else; the transaction was rolled back.
    """
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise Misconfigured(f"{path} is damaged ({error}): run `otpconv doctor`") from error
    except (apsw.CantOpenError, apsw.PermissionsError, apsw.ReadOnlyError, *_NOT_OPENED) as error:
        raise Misconfigured(
            f"{path} can't be opened ({error}): check that its folder exists and that it may be written"
        ) from error
    except apsw.FullError as error:
        raise Unavailable("The disk is full; nothing was recorded. Free some space and try again.") from error
    except (apsw.Error, OSError) as error:
        raise Unavailable(f"The storage failed ({error}); nothing was recorded. Try again.") from error


def _fix_plans(connection: apsw.Connection) -> None:
    """Let no bound value change the plan of a statement, nor make SQLite prepare it again at each run."""
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def _lay_out(log: Path, size: int) -> None:
    """Write the log's file to its size beforehand, where there is room.

    A commit into a file that grows waits for the file system's own journal too, and with it for whatever
    other files are being written: half as long again (measured). SQLite takes zeros as the end of its log.
    Nobody may append meanwhile: so it is done by each who opens the file, before it appends, alone.
    """
    # Only a matter of speed: a commit tells what is wrong with the disk.
    with contextlib.suppress(OSError), log.open("r+b") as file:
        if shutil.disk_usage(log).free >= _FREE_TIMES * size:
            file.seek(0, os.SEEK_END)
            file.write(bytes(max(0, size - file.tell())))
            file.flush()
            os.fsync(file.fileno())
