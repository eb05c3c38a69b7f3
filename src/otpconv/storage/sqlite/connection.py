"""The one connection layer: opens SQLite files, reads named statements, and maps SQLite's errors to ours."""

import contextlib
import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import apsw

from otpconv.errors import Misconfigured, Unavailable
from otpconv.folder import alone
from otpconv.storage import statements as texts
from otpconv.storage.sqlite.one_thread import OneThreadConnection

_log = logging.getLogger(__name__)

#: How long a connection waits for another process's lock before it gives up, ms.
BUSY_TIMEOUT_MS = 5_000
#: The write-ahead log is preallocated where the disk has this many times its size free.
_FREE_TIMES = 64
#: What a try writes, bytes: as much as a small commit takes with its index.
TRY_BYTES = 64 * 1024
#: Memory for sorting in a reader's question, KiB; larger sorts use a temporary file.
_SORTED_KIB = 16 * 1024
#: A disk with less free space counts as full: the indexes of three logs, and some growth.
_ROOM_BYTES = 512 * 1024
#: Steps of SQLite between two checks for Ctrl-C, some 10 ms.
_STEPS = 100_000
#: System errors about a path that waiting does not fix.
_NOT_OPENED = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


def script(name: str) -> str:
    """Return the text of a `.sql` file of this package, e.g. `access/schema.sql`."""
    return texts.script(__package__, name)


def statements(name: str) -> dict[str, str]:
    """Return the statements of a `.sql` file of this package by their names."""
    return texts.statements(__package__, name)


def open_on_a_full_disk(folder: Path) -> None:
    """Let this process open its files even if the disk is full.

    SQLite shares the index of a write-ahead log in a file, which can't be created on a full disk. Without
    that file, no other process can open the databases while this one runs.
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


def try_write(folder: Path) -> None:
    """Write and sync a file that nobody sees, as large as a small commit with its index.

    Raises:
        Unavailable: the disk can't be written.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(TRY_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Unavailable(f"The disk of {folder} can't be written: {error.strerror}.") from error


def connect_writer(
    path: Path,
    *,
    version: int,
    durable: bool,
    schema: str = "",
    creation: str = "",
    upgrades: Mapping[int, str] | None = None,
    log_bytes: int = 0,
    oldest: int = 0,
) -> OneThreadConnection:
    """Open a file for writing, create it if it does not exist (mode 0600), and bring its schema up to date.

    Args:
        path: the file.
        version: the version of the schema; a file of a newer version is refused.
        durable: whether a commit waits for the disk. A file that can be rebuilt from the journal need not.
        schema: statements that create missing objects; run each time.
        creation: statements that run once, in a new file.
        upgrades: by version, statements that bring a file of that version to the next one.
        log_bytes: how large to preallocate the write-ahead log.
        oldest: files of versions before this one are refused.

    Raises:
        Misconfigured: the file is not otpconv's, damaged, or of a version that is too new or too old.
        Unavailable: the disk is full or fails, or another process locks the file for longer than 5 s.
    """
    with mapped(path), alone(path.parent):
        path.touch(mode=0o600)
        connection = OneThreadConnection(os.fspath(path))
        _fix_plans(connection)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full" if durable else "normal")
        connection.pragma("temp_store", "memory")
        connection.pragma("secure_delete", value=True)  # no deleted message stays in free space
        found = _known_version(connection, path, oldest=oldest, newest=version)
        steps = (
            [(upgrades or {}).get(number, "") for number in range(found, version)] if found else [creation]
        )
        # Immediate: a transaction that first reads fails at once when another process has written meanwhile.
        with connection.transaction("BEGIN IMMEDIATE"):
            for statement in (*steps, schema):
                list(connection.execute(statement))
            if found != version:  # a file that is up to date is not written: the disk may be full
                connection.pragma("user_version", version)
        if log_bytes:
            _preallocate(connection, path.with_name(f"{path.name}-wal"), log_bytes)
    return connection


def connect_reader(path: Path) -> OneThreadConnection:
    """Open an existing file for reading only.

    Raises:
        Misconfigured: the file is not ours or damaged.
        Unavailable: the disk fails.
    """
    with mapped(path):
        connection = OneThreadConnection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE)
        _fix_plans(connection)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.pragma("query_only", value=True)
        connection.pragma("temp_store", "file")
        connection.pragma("cache_size", -_SORTED_KIB)
        # Every commit of the applier empties a reader's page cache; the mapped file stays.
        connection.pragma("mmap_size", 1 << 40)
    return connection


@contextmanager
def reading(path: Path) -> Iterator[apsw.Connection]:
    """Open an existing file for reading only while the context lasts.

    Raises:
        Misconfigured: the file is missing, not otpconv's or damaged.
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


def compact(path: Path) -> None:
    """Rewrite a file without unused space, and clear its write-ahead log; nothing else may use it.

    SQLite overwrites what it deletes, but not the copies that it leaves in a page when it moves rows to
    another one.

    Raises:
        Misconfigured: the file is damaged.
        Unavailable: the disk is full or fails; the file stays as it was.
    """
    with mapped(path):
        connection = OneThreadConnection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.pragma("secure_delete", value=True)
            connection.set_progress_handler(lambda: False, _STEPS)  # so that Ctrl-C ends it
            connection.execute("VACUUM")
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            connection.close()


def version_of(path: Path) -> int:
    """Return the version of the schema of an existing file; 0 if it has none yet.

    Raises:
        Misconfigured: the file is not otpconv's or damaged.
        Unavailable: the disk fails.
    """
    with reading(path) as connection:
        version = connection.pragma("user_version")
    return version if isinstance(version, int) else 0


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into otpconv's; no SQLite error leaves the engine any other way.

    Raises:
        Misconfigured: the file is damaged, not a database, or can't be opened.
        Unavailable: anything else, such as a full disk or a lock; the transaction was rolled back.
    """
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} is damaged ({error}): run `otpconv doctor`") from error
    except (apsw.CantOpenError, apsw.PermissionsError, apsw.ReadOnlyError, *_NOT_OPENED) as error:
        raise Misconfigured(
            f"{path} can't be opened ({error}): check that its folder exists and that it can be written"
        ) from error
    except apsw.FullError as error:
        raise Unavailable("The disk is full; nothing was recorded. Free some space and try again.") from error
    except (apsw.Error, OSError) as error:
        raise Unavailable(f"The storage failed ({error}); nothing was recorded. Try again.") from error


def _known_version(connection: apsw.Connection, path: Path, *, oldest: int, newest: int) -> int:
    """Return the version of a file's schema, 0 for a new file, or refuse the file."""
    found = connection.pragma("user_version")
    if not isinstance(found, int) or found > newest:
        raise Misconfigured(f"{path} was written by a newer otpconv: upgrade otpconv to read it")
    if 0 < found < oldest:
        raise Misconfigured(f"{path} was written by an older otpconv: run `otpconv ledger rebuild`")
    if found == 0 and connection.execute("SELECT count(*) FROM sqlite_schema").get:
        raise Misconfigured(
            f"{path} is not otpconv's but another program's: move it away, or use another folder"
        )
    return found


def _fix_plans(connection: apsw.Connection) -> None:
    """Keep bound values from changing a statement's plan, and SQLite from preparing it again at each run."""
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def _preallocate(connection: OneThreadConnection, log: Path, size: int) -> None:
    """Fill the write-ahead log with zeros to its size, if the disk has room.

    A commit into a growing file also waits for the file system's journal, and so for other files that are
    being written: it takes half as long again (measured). SQLite takes zeros as the end of its log. No other
    process, e.g. a command that deletes, may append to it meanwhile, hence the transaction.
    """
    # Only speed depends on it: the next commit reports any problem with the disk.
    with contextlib.suppress(OSError), log.open("r+b") as file:
        if file.seek(0, os.SEEK_END) < size and shutil.disk_usage(log).free >= _FREE_TIMES * size:
            with connection.transaction("BEGIN IMMEDIATE"):
                file.write(bytes(max(0, size - file.seek(0, os.SEEK_END))))
                file.flush()
                os.fsync(file.fileno())
