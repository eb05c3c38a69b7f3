"""Decides what a batch of the journal makes the relay send; pure.

A report depends on the state of its message in the ledger, which has at least the reports of the batch. So
it makes no difference whether a conversion comes before or after its message.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from otpconv.access.number_seal import is_sealed_number
from otpconv.access.vendors import VendorAccount
from otpconv.model import Conversion, MessageState, Requested
from otpconv.relay.kind import Kind
from otpconv.storage.journal import JournalEntry
from otpconv.storage.relay.contract import Feedback, NewSend


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


def sends_of(
    requested: Requested, state: MessageState, verified_at: int | None, position: int, targets: Targets
) -> list[NewSend]:
    """Return what to send about a message.

    Args:
        requested: the report of the message.
        state: the state of the message by the reports with its id.
        verified_at: when it was verified, ms, also by a conversion known by number alone; None if unknown.
        position: of the report that touched it.
        targets: the vendor accounts.
    """
    target = targets.get((requested.account, requested.dimensions.provider))
    if target is None or position <= target.vendor.since:
        return []
    kind = target.kind
    if kind.known_by == "number" and not is_sealed_number(requested.vendor_message_id):
        return []
    sends = []
    if "requested" in kind.feedbacks:
        sends.append(_send(requested, target, "requested", requested.requested_at))
    at = verified_at if verified_at is not None else _verified(state)
    failed = [time for time in (state.false_last, state.false_unknown) if time is not None]
    if at is not None:
        sends.append(_send(requested, target, "received", at))
    elif "failed" in kind.feedbacks and (failed or kind.silence == "failed"):
        sends.append(_send(requested, target, "failed", max(failed, default=requested.requested_at)))
    return sends


def _verified(state: MessageState) -> int | None:
    """Return the time of the conversion that verified a message, ms; None if it is not verified."""
    if not state.verified:
        return None
    if state.verified_at is not None:
        return state.verified_at
    # Only when it was reported is known.
    times = (state.true_arrival, state.true_unknown)
    return min(time for time in times if time is not None)


def _send(requested: Requested, target: Target, feedback: Feedback, at: int) -> NewSend:
    if feedback == "failed":
        at = max(at, requested.requested_at + target.kind.negative_after_ms)
    known_as = requested.vendor_message_id
    if target.kind.known_by == "id" and is_sealed_number(known_as):
        known_as = ""  # for a vendor account that the provider had before
    return NewSend(
        account=requested.account,
        message_id=requested.message_id,
        vendor=target.vendor.id,
        feedback=feedback,
        requested_at=requested.requested_at,
        at=at,
        due_at=at,
        until=requested.requested_at + target.kind.useful_ms,
        vendor_message_id=known_as,
    )
