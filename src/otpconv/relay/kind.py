"""What a kind of vendor is: data about its policy, and pure functions that make calls and read answers.

Adding a vendor takes one module in `relay/kinds/` with a `Kind`, and a line in its `__init__`. Nothing else
knows vendors.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from otpconv.access.vendors import RELAY_SETTING, VendorAccount
from otpconv.delivery.connection import Response
from otpconv.delivery.transport import Outcome
from otpconv.dialects.dialect import HttpRequest
from otpconv.dialects.receipts import ReceiptWire
from otpconv.dialects.webhook.receipts import OWN_RECEIPTS
from otpconv.receipts import ReceiptStatus
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
        choices: the values that it can have; empty for any.
    """

    name: str
    help: str
    default: str | None = None
    secret: bool = False
    choices: tuple[str, ...] = ()


#: Settings of every kind.
RELAY: Final = Setting(
    RELAY_SETTING,
    "off: no conversions are passed on, and only receipts are taken",
    "on",
    choices=("on", "off"),
)
MAKE_KNOWN: Final = Setting(
    "make_known",
    "on: a receipt of a message that nobody reported also reports it as requested",
    "off",
    choices=("on", "off"),
)


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


class Sent(Struct, frozen=True):
    """What a vendor has taken: a message, or a batch.

    Attributes:
        message_ids: the vendor's ids, with which conversions name the messages.
        to: the numbers as the caller wrote them, in any order; never stored.
        region: the country whose national numbers the caller may write, ISO 3166; empty for none.
        template: the template that the caller named.
        sender: the sender that the recipient sees.
        channel: e.g. `sms`.
    """

    message_ids: tuple[str, ...]
    to: tuple[str, ...]
    region: str = ""
    template: str = ""
    sender: str = ""
    channel: str = "sms"


class Stated(Struct, frozen=True):
    """What a vendor says has become of a message.

    Attributes:
        message_id: the vendor's id.
        status: the status.
        time: when that was, ms; None if the vendor does not say.
        error: the vendor's error code; empty without.
    """

    message_id: str
    status: ReceiptStatus
    time: int | None
    error: str = ""


#: What an answer says: the vendor has done what it was asked, it has not, or neither is certain.
Meaning = Literal["accepted", "refused", "unclear"]


class Said(Struct, frozen=True):
    """What an answer says, and the facts in it: messages that the vendor has taken, or what became of one."""

    meaning: Meaning
    fact: Sent | Stated | None = None


class Sending(Struct, frozen=True):
    """How a kind passes on what the vendor's SDK sends.

    Attributes:
        actions: the actions that a policy must allow, one for each operation; no other kind has them.
        asking: those of them that send nothing, and may be repeated.
        fits: whether a vendor account may be the one that a call means.
        make: makes the call to the vendor of a call of its dialect at a time, ms. The vendor must answer it
            as it would answer the caller.
        read: returns what an answer says.
    """

    actions: frozenset[str]
    asking: frozenset[str]
    fits: Callable[[VendorAccount, Any], bool]
    make: Callable[[VendorAccount, Any, HttpRequest, int], Call]
    read: Callable[[Response, Any], Said]


#: The setting of a vendor account that is `on` if it sends messages, and that of its timeout.
SEND: Final = "send"
SEND_TIMEOUT: Final = "send_timeout_s"
#: How long the answer to a message may take at most, s; the default.
MAX_SEND_TIMEOUT_S: Final = 30
#: What a vendor account has whose kind can send.
SENDING_SETTINGS: Final = (
    Setting(
        SEND,
        "on: messages that SDKs send with otpconv as their endpoint are passed on by this account",
        "off",
        choices=("on", "off"),
    ),
    Setting(
        SEND_TIMEOUT,
        "how long the answer to a message may take, s",
        str(MAX_SEND_TIMEOUT_S),
        choices=("1", "2", "3", "5", "10", "15", "20", str(MAX_SEND_TIMEOUT_S)),
    ),
)


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
        receipts: how the vendor pushes receipts; our own JSON if its wire is not known.
        receipts_settings: further settings for receipts.
        sending: how messages are passed on to the vendor; None if otpconv does not pass on its messages.
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
    receipts: ReceiptWire = OWN_RECEIPTS
    receipts_settings: tuple[Setting, ...] = ()
    sending: Sending | None = None

    def for_receipts(self) -> tuple[Setting, ...]:
        """Return the settings and secrets that are about receipts, and can be changed."""
        own = (Setting("receipts_key", self.receipts.key, "", secret=True),) if self.receipts.key else ()
        return (MAKE_KNOWN, *own, *self.receipts_settings)

    def remedy(self, code: str) -> str:
        """Return what to do about an error code, for people."""
        known = self.remedies.get(code)
        return known or f"Look the code up in the documentation of {self.title}, then retry or leave it."
