"""Annotations: short texts at a time, e.g. releases and incidents, which charts show.

They are not derived from the journal, so no rebuild of the ledger touches them.
"""

from typing import Protocol

from msgspec import Struct

from otpconv.errors import InvalidRequest, NotFound

#: The most annotations of an account.
MAX_ANNOTATIONS = 1_000
#: The most characters of an annotation.
MAX_TEXT_CHARS = 200


class Annotation(Struct, frozen=True, array_like=True):
    """An annotation.

    Attributes:
        id: unique within the account.
        at: the time that it marks, ms.
        text: one line, 1 to `MAX_TEXT_CHARS` characters.
        created_by: the user or the role's session that created it.
        created_at: ms.
    """

    id: int
    at: int
    text: str
    created_by: str
    created_at: int


class AnnotationStore(Protocol):
    """The annotations of all accounts, for any thread; the methods wait for the disk.

    Every method may raise `Unavailable` if the disk fails, and `Misconfigured` if the file can't be used.
    """

    def create(self, account: int, at: int, text: str, *, created_by: str, now: int) -> Annotation:
        """Create an annotation; it is durable when this returns.

        Args:
            account: the number of the account.
            at: the time that it marks, ms.
            text: one line, 1 to `MAX_TEXT_CHARS` characters.
            created_by: who creates it.
            now: the time now, ms.

        Raises:
            InvalidRequest: the account has `MAX_ANNOTATIONS` annotations already.
        """

    def between(self, account: int, start: int, end: int) -> list[Annotation]:
        """Return the annotations of an account with start <= at < end (ms), by time."""

    def delete(self, account: int, annotation: int) -> Annotation:
        """Delete an annotation for good, and return it.

        Raises:
            NotFound: the account has no annotation with this id.
        """

    def close(self) -> None:
        """Close the store; nothing may be called afterwards."""


def too_many() -> InvalidRequest:
    """Return the error that an account has all the annotations that it may have."""
    return InvalidRequest(
        f"The account already has {MAX_ANNOTATIONS:,} annotations, the maximum."
        " Delete old ones first: otpconv annotations list, otpconv annotations delete ID."
    )


def unknown(annotation: int) -> NotFound:
    """Return the error that there is no annotation with an id."""
    return NotFound(f"There is no annotation {annotation}. GET /v1/annotations lists all of them.")
