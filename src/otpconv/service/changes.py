"""Changes by users in a running server, each with a line in the audit trail."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from otpconv.access.keys import AccessKey
from otpconv.audit import outcome_recorded, record
from otpconv.clock import Clock


class Change(Struct):
    """A change, for the audit trail.

    Attributes:
        key: the access key of whoever makes it.
        what: e.g. `CreateUser`.
        subject: the name of the changed object, never a secret; the work may complete it.
        source_ip: the source address of the request.
        request_id: the request id of the answer.
    """

    key: AccessKey
    what: str
    subject: str
    source_ip: str
    request_id: str


@contextmanager
def recorded(change: Change, data: Path, clock: Clock) -> Iterator[None]:
    """Record a change when the context ends, whether or not it succeeded; waits for the disk.

    Args:
        change: the change, and who makes it.
        data: the data folder, which has the audit trail.
        clock: the time now.
    """

    def write(outcome: str) -> None:
        record(
            data,
            who=change.key.access_key_id,
            what=change.what,
            subject=change.subject,
            outcome=outcome,
            user=change.key.display_name,
            account=change.key.account,
            source_ip=change.source_ip,
            request_id=change.request_id,
            clock=clock,
        )

    with outcome_recorded(write):
        yield
