"""The requests and answers of `/v1/vendors` and `/v1/relay`."""

from typing import Annotated, Final, Literal
from urllib.parse import quote

from msgspec import Meta, Struct

from otpconv.access.vendors import URL_SECRET, VendorAccount
from otpconv.service.vendor_values import kind_of
from otpconv.service.vendors import RelayState
from otpconv.storage.relay.contract import Evidence

#: Vendors push receipts to this path, followed by the name of the vendor account and the secret of its URL.
HOOKS_PATH: Final = "/hooks"


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


class SendingIn(Struct, forbid_unknown_fields=True):
    """Whether a vendor account sends messages that SDKs send with this server as their endpoint."""

    send: Literal["on", "off"]


class VendorDeleted(Struct):
    """The name of the vendor account that was deleted."""

    deleted: str


class VendorTested(Struct):
    """The result of a call that proves the credentials; `proven` is null if the vendor has no such call."""

    proven: bool | None
    code: str
    text: str


class ReceiptsIn(Struct, forbid_unknown_fields=True):
    """What to change about the receipts of a vendor account."""

    settings: Annotated[
        dict[str, str],
        Meta(
            description="make_known, receipts_key, …; an empty value removes a setting",
            extra_json_schema={"writeOnly": True},
        ),
    ] = {}
    new_secret: Annotated[
        bool, Meta(description="Make a new secret for the URL, and take nothing at the old one any more")
    ] = False


class ReceiptsOut(Struct):
    """Where a vendor pushes receipts. The URL has a secret: whoever knows it can push."""

    name: str
    url: str
    setup: Annotated[str, Meta(description="What to set at the vendor")]
    settings: dict[str, str]
    secrets: Annotated[list[str], Meta(description="The names of the secrets about receipts that are set")]
    proven_by: Annotated[str, Meta(description="What our knowledge of the vendor's wire is from")]


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
        secrets=sorted(vendor.secrets.keys() - {URL_SECRET}),
        per_second=vendor.per_second or kind_of(vendor.kind).per_second,
        paused=vendor.paused,
        created_at=vendor.created_at,
    )


def receipts_out(vendor: VendorAccount, public_url: str) -> ReceiptsOut:
    """Return where a vendor pushes receipts, as the API shows it; the vendor account has a secret for it."""
    kind = kind_of(vendor.kind)
    names = {setting.name for setting in kind.for_receipts()}
    return ReceiptsOut(
        name=vendor.name,
        url=f"{public_url}{HOOKS_PATH}/{quote(vendor.name, safe='')}/{vendor.secrets[URL_SECRET]}",
        setup=kind.receipts.setup,
        settings={name: value for name, value in vendor.settings.items() if name in names},
        secrets=sorted(vendor.secrets.keys() & names),
        proven_by=kind.receipts.proven_by,
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
