"""What a kind of vendor is: data about its policy, and pure functions that make calls and read answers.

Adding a vendor takes one module in `relay/kinds/` with a `Kind`, and a line in its `__init__`. Nothing else
knows vendors.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from otpconv.access.vendors import VendorAccount
from otpconv.delivery.connection import Response
from otpconv.delivery.transport import Outcome
from otpconv.storage.contract import DAY_MS
from otpconv.storage.relay.contract import Feedback, Send

#: How long a vendor has use for a conversion that does not say it, ms after its message was requested.
USEFUL_MS: Final = 3 * DAY_MS


class Setting(Struct, frozen=True):
    """A setting or secret of a vendor account.

    Attributes:
        name: e.g. `access_key_id`.
        help: what it is, for people.
        default: its value if none is given; None if it must be given, empty if it may be missing.
        secret: whether it is sealed and never shown.
    """

    name: str
    help: str
    default: str | None = None
    secret: bool = False


class Stamp(Struct, frozen=True):
    """What makes two equal calls different.

    Attributes:
        now: the time by the vendor's clock, ms.
        nonce: random, hexadecimal.
    """

    now: int
    nonce: str


class Call(Struct, frozen=True):
    """A call to a vendor.

    Attributes:
        target: path and query.
        headers: names in lower case.
        body: the exact body.
        method: the HTTP method.
    """

    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    method: str = "POST"


#: Makes the call that reports feedbacks.
Make = Callable[[VendorAccount, Sequence[Send], Stamp], Call]
#: Reads the answer at a time, ms, and returns the outcome of each feedback of the call.
Read = Callable[[Response, Sequence[Send], int], list[Outcome]]


class Probe(Struct, frozen=True):
    """A harmless call that shows whether the credentials are right.

    Attributes:
        make: makes the call.
        read: reads its answer; `DELIVERED` if the credentials are right.
        how: what it does, for people.
    """

    make: Callable[[VendorAccount, Stamp], Call]
    read: Callable[[Response, int], Outcome]
    how: str


class Kind(Struct, frozen=True):
    """A kind of vendor.

    Attributes:
        name: as vendor accounts name it.
        title: for people.
        settings: what a vendor account needs; `endpoint` is one of them.
        make: makes the call that reports feedbacks.
        read: reads its answer.
        probe: a harmless call; None if the vendor has none.
        feedbacks: what the vendor accepts.
        known_by: whether the vendor knows a message by its id, or by its phone number.
        silence: what the vendor takes a message for of which nothing is reported. With `failed`, the relay
            reports the failure itself, after `negative_after_ms`.
        negative_after_ms: a failure is sent at the earliest so long after its message was requested.
        useful_ms: a feedback is sent at the latest so long after its message was requested.
        batch: feedbacks of one call at most.
        refused_whole: error codes by which the vendor refuses all feedbacks of a call because of one. Each
            half of such a call is sent again, until only that one is left.
        per_second: calls per second that the vendor takes.
        concurrency: calls on their way at the same time.
        time_unit_ms: the resolution of the times of conversions, ms; 0 if a call has no time, and the vendor
            takes that of its arrival.
        repeat: whether a vendor that gets the same feedback twice takes harm. `harmful` feedbacks are sent at
            most once, the others at least once.
        remedies: what to do about an error code of the vendor, for people.
        needs: what must be set up at the vendor, or when a message is sent; for people.
        proven_by: what our knowledge of the wire is from, e.g. `documentation`.
    """

    name: str
    title: str
    settings: tuple[Setting, ...]
    make: Make
    read: Read
    probe: Probe | None = None
    feedbacks: frozenset[Feedback] = frozenset({"received", "failed"})
    known_by: Literal["id", "number"] = "id"
    silence: Literal["unknown", "failed"] = "unknown"
    negative_after_ms: int = 0
    useful_ms: int = USEFUL_MS
    batch: int = 1
    refused_whole: frozenset[str] = frozenset()
    per_second: int = 100
    concurrency: int = 8
    time_unit_ms: int = 0
    repeat: Literal["safe", "harmful"] = "safe"
    remedies: Mapping[str, str] = {}
    needs: str = ""
    proven_by: str = "documentation"

    def remedy(self, code: str) -> str:
        """Return what to do about an error code, for people."""
        known = self.remedies.get(code)
        return known or f"Look the code up in the documentation of {self.title}, then retry or leave it."
