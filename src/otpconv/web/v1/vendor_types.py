"""The requests and answers of `/v1/vendors` and `/v1/relay`."""

from typing import Annotated

from msgspec import Meta, Struct

from otpconv.access.vendors import VendorAccount
from otpconv.service.vendors import RelayState, kind_of
from otpconv.storage.relay.contract import Evidence


class VendorIn(Struct, forbid_unknown_fields=True):
    """A new vendor account. `settings` has the settings and the secrets of the kind, by name."""

    name: Annotated[str, Meta(description="1 to 64 of letters, digits and . - _ @")]
    kind: Annotated[str, Meta(examples=["alibaba", "webhook"])]
    provider: Annotated[str, Meta(description="The provider of the messages whose conversions it gets")]
    settings: Annotated[
        dict[str, str],
        Meta(
            description="See `otpconv vendors kinds`. Secrets are sealed at rest and never shown",
            extra_json_schema={"writeOnly": True},
        ),
    ]
    per_second: Annotated[
        int, Meta(ge=0, description="Calls per second at most; 0 uses the kind's limit")
    ] = 0


class VendorOut(Struct):
    """A vendor account, without its secrets."""

    name: str
    kind: str
    provider: str
    settings: dict[str, str]
    secrets: Annotated[list[str], Meta(description="The names of the secrets that are set")]
    per_second: int
    paused: bool
    created_at: int


class VendorsOut(Struct):
    """The vendor accounts of an account, by name."""

    vendors: list[VendorOut]


class VendorDeleted(Struct):
    """The name of the vendor account that was deleted."""

    deleted: str


class VendorTested(Struct):
    """The result of a call that proves the credentials; `proven` is null if the vendor has no such call."""

    proven: bool | None
    code: str
    text: str


class RelayStateOut(Struct):
    """How the relay to a vendor account is doing; the counts are of reports to the vendor."""

    name: str
    kind: str
    provider: str
    state: Annotated[str, Meta(description="closed (it works), open (the vendor fails), or paused")]
    error: str
    waiting: int
    late_ms: Annotated[int, Meta(description="For how long the oldest has been due; 0 if none is")]
    sent: int
    dead: int
    unknown: int
    expired: int
    superseded: int


class RelayOut(Struct):
    """The relay to each vendor account, by name."""

    vendors: list[RelayStateOut]


class RelaySwitched(Struct):
    """Whether the relay to a vendor account is paused now."""

    name: str
    paused: bool


class LetterOut(Struct):
    """A report that the vendor refused, or whose outcome is unknown; times are in ms, UTC."""

    message_id: str
    feedback: str
    at: int
    status: str
    code: str
    reason: str
    remedy: str
    sent_at: int | None
    answered_at: int | None


class LettersOut(Struct):
    """The newest dead letters of a vendor account."""

    letters: list[LetterOut]


class RetryIn(Struct, forbid_unknown_fields=True):
    """Which dead letters to send again: of one message, or all."""

    message_id: str | None = None


class Retried(Struct):
    """How many reports wait again."""

    retried: int


def vendor_out(vendor: VendorAccount) -> VendorOut:
    """Return a vendor account as the API shows it."""
    return VendorOut(
        name=vendor.name,
        kind=vendor.kind,
        provider=vendor.provider,
        settings=vendor.settings,
        secrets=sorted(vendor.secrets),
        per_second=vendor.per_second or kind_of(vendor.kind).per_second,
        paused=vendor.paused,
        created_at=vendor.created_at,
    )


def state_out(state: RelayState) -> RelayStateOut:
    """Return the state of the relay to a vendor account as the API shows it."""
    counts = state.counts
    return RelayStateOut(
        name=state.vendor.name,
        kind=state.vendor.kind,
        provider=state.vendor.provider,
        state=state.state,
        error=state.error,
        waiting=counts.get("waiting", 0) + counts.get("sending", 0),
        late_ms=state.late_ms,
        sent=counts.get("sent", 0),
        dead=counts.get("dead", 0),
        unknown=counts.get("unknown", 0),
        expired=counts.get("expired", 0),
        superseded=counts.get("superseded", 0),
    )


def letter_out(letter: Evidence, kinds: dict[int, str]) -> LetterOut:
    """Return a dead letter as the API shows it; `kinds` has the kind of each vendor account by its id."""
    return LetterOut(
        message_id=letter.message_id,
        feedback=letter.feedback,
        at=letter.at,
        status=letter.status,
        code=letter.code,
        reason=letter.reason,
        remedy=kind_of(kinds[letter.vendor]).remedy(letter.code),
        sent_at=letter.sent_at,
        answered_at=letter.answered_at,
    )
