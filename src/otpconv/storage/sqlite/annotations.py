"""Annotations in a SQLite file of their own, which a backup copies and a rebuild leaves alone."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from otpconv.storage.annotations import MAX_ANNOTATIONS, Annotation, too_many, unknown
from otpconv.storage.sqlite.connection import connect_writer, mapped, reading, statements
from otpconv.storage.sqlite.one_thread import OneThreadConnection

#: The version of the schema that this code reads and writes.
VERSION: Final = 1

_SQL = statements("annotations.sql")


class SqliteAnnotations:
    """An `AnnotationStore` in a SQLite file.

    Each call opens the file, because several threads call and the calls are rare: a page's view, a release.
    One more connection stays open, because on a full disk the first one can't be opened.

    Args:
        path: the file; created with mode 0600 if it does not exist.

    Raises:
        Misconfigured: the file is not otpconv's, is damaged, or is of a newer otpconv.
        Unavailable: the disk is full or fails.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first = self._connect()

    def close(self) -> None:
        """See `AnnotationStore.close`."""
        self._first.close()

    def create(self, account: int, at: int, text: str, *, created_by: str, now: int) -> Annotation:
        """See `AnnotationStore.create`."""
        values = {"account": account, "at": at, "text": text, "created_by": created_by, "now": now}
        with self._opened() as connection, connection.transaction("BEGIN IMMEDIATE"):
            count = connection.execute(_SQL["count"], {"account": account}).get
            if count >= MAX_ANNOTATIONS:
                raise too_many()
            connection.execute(_SQL["create"], values).fetchall()
            return Annotation(connection.last_insert_rowid(), at, text, created_by, now)

    def between(self, account: int, start: int, end: int) -> list[Annotation]:
        """See `AnnotationStore.between`."""
        with reading(self._path) as connection:
            window = {"account": account, "start": start, "end": end}
            rows = connection.execute(_SQL["between"], window).fetchall()
        return msgspec.convert(rows, list[Annotation])

    def delete(self, account: int, annotation: int) -> Annotation:
        """See `AnnotationStore.delete`."""
        with self._opened() as connection, connection.transaction("BEGIN IMMEDIATE"):
            rows = connection.execute(_SQL["delete"], {"account": account, "id": annotation}).fetchall()
        if not rows:
            raise unknown(annotation)
        return msgspec.convert(rows[0], Annotation)

    @contextmanager
    def _opened(self) -> Iterator[OneThreadConnection]:
        with closing(self._connect()) as connection, mapped(self._path):
            yield connection

    def _connect(self) -> OneThreadConnection:
        return open_file(self._path)


def open_file(path: Path) -> OneThreadConnection:
    """Open the file of the annotations; create it if it does not exist.

    Raises:
        Misconfigured: the file is not otpconv's, is damaged, or is of a newer otpconv.
        Unavailable: the disk is full or fails.
    """
    return connect_writer(path, version=VERSION, durable=True, creation=_SQL["annotations_schema"])
