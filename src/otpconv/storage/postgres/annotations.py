"""Annotations in PostgreSQL."""

import msgspec

from otpconv.storage.annotations import MAX_ANNOTATIONS, Annotation, too_many, unknown
from otpconv.storage.postgres.database import Database, execute, statements
from otpconv.storage.postgres.shared import SharedConnection

_SQL = statements("annotations.sql")


class PostgresAnnotations:
    """An `AnnotationStore` in PostgreSQL.

    Args:
        database: has the tables.
    """

    def __init__(self, database: Database) -> None:
        self._shared = SharedConnection(database)

    def close(self) -> None:
        """See `AnnotationStore.close`."""
        self._shared.close()

    def create(self, account: int, at: int, text: str, *, created_by: str, now: int) -> Annotation:
        """See `AnnotationStore.create`."""
        values = {"account": account, "at": at, "text": text, "created_by": created_by, "now": now}
        with self._shared.open() as connection:
            made = execute(connection, _SQL["create"], values | {"most": MAX_ANNOTATIONS}).fetchall()
        if not made:
            raise too_many()
        return Annotation(made[0][0], at, text, created_by, now)

    def between(self, account: int, start: int, end: int) -> list[Annotation]:
        """See `AnnotationStore.between`."""
        with self._shared.open() as connection:
            window = {"account": account, "start": start, "end": end}
            rows = execute(connection, _SQL["between"], window).fetchall()
        return msgspec.convert(rows, list[Annotation])

    def delete(self, account: int, annotation: int) -> Annotation:
        """See `AnnotationStore.delete`."""
        with self._shared.open() as connection:
            rows = execute(connection, _SQL["delete"], {"account": account, "id": annotation}).fetchall()
        if not rows:
            raise unknown(annotation)
        return msgspec.convert(rows[0], Annotation)
