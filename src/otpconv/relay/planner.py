"""Decides what a batch of the journal makes the relay send; pure.

A report depends on the state of its message in the ledger, which has at least the reports of the batch. So
it makes no difference whether a conversion comes before or after its message.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from otpconv.access.vendors import VendorAccount
from otpconv.model import Conversion, MessageState, Requested
from otpconv.relay.kind import Kind
from otpconv.storage.journal import JournalEntry
from otpconv.storage.relay.contract import NewSend


class Target(Struct, frozen=True):
    """A vendor account with its kind."""

    vendor: VendorAccount
    kind: Kind


#: The vendor accounts by account and provider.
Targets = Mapping[tuple[int, str], Target]


class Touched(Struct):
    """The messages that a batch is about.

    Attributes:
        positions: by account and message id, the position of the last report about it.
        by_number: conversions known by number alone, with their positions.
    """

    positions: dict[tuple[int, str], int]
    by_number: dict[Conversion, int]


def touched(entries: Sequence[JournalEntry], targets: Targets) -> Touched:
    """Return the messages of a batch that may concern a vendor account."""
    accounts = {account for account, _ in targets}
    found = Touched({}, {})
    for entry in entries:
        report = entry.report
        if isinstance(report, Requested):
            if (report.account, report.dimensions.provider) in targets:
                found.positions[report.account, report.message_id] = entry.position
        elif isinstance(report, Conversion) and report.account in accounts:
            if report.message_id:
                found.positions[report.account, report.message_id] = entry.position
            else:
                found.by_number[report] = entry.position
    return found


def send_of(
    requested: Requested, state: MessageState, verified_at: int | None, position: int, targets: Targets
) -> NewSend | None:
    """Return what to send about a message; None if there is nothing.

    Args:
        requested: the report of the message.
        state: the state of the message by the reports with its id.
        verified_at: when it was verified, ms, also by a conversion known by number alone; None if unknown.
        position: of the report that touched it.
        targets: the vendor accounts.
    """
    target = targets.get((requested.account, requested.dimensions.provider))
    if target is None or position <= target.vendor.since:
        return None
    kind = target.kind
    at = verified_at if verified_at is not None else _verified(state)
    if at is not None:
        return _send(requested, target, at, received=True)
    failed = [time for time in (state.false_last, state.false_unknown) if time is not None]
    if "failed" not in kind.feedbacks or not (failed or kind.silence == "failed"):
        return None
    return _send(requested, target, max(failed, default=requested.requested_at), received=False)


def _verified(state: MessageState) -> int | None:
    """Return the time of the conversion that verified a message, ms; None if it is not verified."""
    if not state.verified:
        return None
    if state.verified_at is not None:
        return state.verified_at
    # Only when it was reported is known.
    times = (state.true_arrival, state.true_unknown)
    return min(time for time in times if time is not None)


def _send(requested: Requested, target: Target, at: int, *, received: bool) -> NewSend:
    earliest = requested.requested_at + target.kind.negative_after_ms
    due_at = at if received else max(at, earliest)
    return NewSend(
        account=requested.account,
        message_id=requested.message_id,
        vendor=target.vendor.id,
        feedback="received" if received else "failed",
        requested_at=requested.requested_at,
        at=due_at if not received else at,
        due_at=due_at,
        until=requested.requested_at + target.kind.useful_ms,
        vendor_message_id=requested.vendor_message_id,
    )
