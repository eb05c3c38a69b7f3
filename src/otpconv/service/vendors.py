"""What an operator does with vendor accounts, their receipts, and the relay to them.

Every method waits for the disk.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Final

from msgspec import Struct

from otpconv.access.names import require_name
from otpconv.access.vendors import (
    MAX_PROVIDER_CHARS,
    URL_SECRET,
    NewVendor,
    VendorAccount,
    VendorStore,
)
from otpconv.clock import Clock
from otpconv.delivery.transport import Fate
from otpconv.errors import InvalidRequest
from otpconv.relay.calls import Calls
from otpconv.relay.kinds import KINDS
from otpconv.service.receipts import ReceiptCounts
from otpconv.service.vendor_values import changed, divided, kind_of, new_url_secret, switched
from otpconv.storage.access.vendors import unknown_vendor
from otpconv.storage.engine import Engine
from otpconv.storage.relay.contract import MAX_LETTERS, Evidence, Status

#: The most calls per second that can be set for a vendor account.
MAX_PER_SECOND: Final = 10_000


class Tested(Struct, frozen=True):
    """The result of a harmless call.

    Attributes:
        proven: whether the credentials are right; None if the kind has no such call.
        code: what the vendor answered; empty if they are right.
        text: for people.
    """

    proven: bool | None
    code: str
    text: str


class RelayState(Struct, frozen=True):
    """How the relay to a vendor account is doing.

    Attributes:
        vendor: the vendor account.
        counts: feedbacks by what became of them.
        state: of its circuit breaker.
        error: why nothing is sent; empty while it works.
        late_ms: for how long the oldest feedback has been due; 0 if none is.
    """

    vendor: VendorAccount
    counts: Mapping[Status, int]
    state: str
    error: str
    late_ms: int


class Vendors:
    """The vendor accounts of all accounts, and the relay to them.

    Args:
        engine: the storage.
        store: opens the vendor accounts.
        clock: the time now.
        seen: gets the vendor accounts of all accounts whenever they are read or one is created.

    Attributes:
        changes: how many changes of vendor accounts this process has made.
        receipt_counts: what became of the receipts that were pushed to this server.
    """

    def __init__(
        self,
        engine: Engine,
        store: Callable[[], VendorStore],
        clock: Clock,
        seen: Callable[[Sequence[VendorAccount]], None],
    ) -> None:
        self._seen = seen
        self._engine = engine
        self._open = store
        self._clock = clock
        self.changes = 0
        self.receipt_counts = ReceiptCounts()

    def accounts(self, account: int | None = None) -> list[VendorAccount]:
        """Return the vendor accounts of an account, or of all."""
        with closing(self._open()) as store:
            found = store.list(account)
        if account is None:
            self._seen(found)
        return found

    def create(
        self, account: int, name: str, kind: str, provider: str, *, values: Mapping[str, str], per_second: int
    ) -> VendorAccount:
        """Create a vendor account; conversions that are acknowledged from now on are passed on to it.

        It gets a URL for receipts, too. With the setting `relay` off it has that alone.

        Args:
            account: who it belongs to.
            name: of the vendor account.
            kind: the name of a kind.
            provider: of the messages whose conversions it gets.
            values: settings and secrets of the kind, by name.
            per_second: calls per second at most; 0 uses the limit of the kind.

        Raises:
            InvalidRequest: something is unknown, missing or malformed, or the name or provider is taken.
        """
        require_name("vendor account", name)
        known = kind_of(kind)
        if not 1 <= len(provider) <= MAX_PROVIDER_CHARS or not provider.isprintable():
            raise InvalidRequest(
                f"Invalid provider: give the provider of the messages, 1 to {MAX_PROVIDER_CHARS} characters."
            )
        if not 0 <= per_second <= MAX_PER_SECOND:
            raise InvalidRequest(f"Invalid per_second {per_second}. Use 1 to {MAX_PER_SECOND:,} calls.")
        settings, secrets = divided(known, values)
        secrets[URL_SECRET] = new_url_secret()
        with closing(self._engine.journal()) as journal:
            head = journal.head()
        with closing(self._open()) as store:
            if not any(vendor.relayed for vendor in store.list()):
                with closing(self._engine.relay()) as relay:
                    relay.restart(head)
            vendor = store.create(
                account, NewVendor(name, kind, provider, settings, secrets, per_second, since=head)
            )
            self._seen(store.list())
        self.changes += 1
        return vendor

    def receipts(
        self, account: int, name: str, values: Mapping[str, str], *, new_secret: bool
    ) -> VendorAccount:
        """Return a vendor account that has a secret for the URL of receipts.

        Args:
            account: who it belongs to.
            name: of the vendor account.
            values: settings and secrets about receipts to change; an empty value removes one.
            new_secret: make a new secret, and take nothing at the old URL any more.

        Raises:
            NotFound: the account has none of this name.
            InvalidRequest: a value is unknown or malformed.
        """
        vendor = self._vendor(account, name)
        if not values and not new_secret and URL_SECRET in vendor.secrets:
            return vendor
        with closing(self._open()) as store:
            vendor = store.change(account, name, lambda old: changed(old, values, new_secret=new_secret))
        self.changes += 1
        return vendor

    def set_sending(self, account: int, name: str, *, on: bool) -> VendorAccount:
        """Let a vendor account send messages, or not; it is in force within a second.

        Raises:
            NotFound: the account has none of this name.
            InvalidRequest: otpconv can't send by this kind of vendor, or the account has no credentials.
        """
        kind = kind_of(self._vendor(account, name).kind)
        if kind.sending is None:
            able = ", ".join(kind.name for kind in KINDS.values() if kind.sending is not None)
            raise InvalidRequest(f"The kind {kind.name} can't send messages. Kinds that can: {able}.")
        with closing(self._open()) as store:
            return store.change(account, name, lambda old: switched(old, on=on))

    def delete(self, account: int, name: str) -> None:
        """Delete a vendor account; what waits for it is not sent.

        Raises:
            NotFound: the account has none of this name.
        """
        with closing(self._open()) as store:
            store.delete(account, name)
        self.changes += 1

    def set_paused(self, account: int, name: str, *, paused: bool) -> None:
        """Pause the relay to a vendor account, or resume it; meanwhile everything waits.

        Raises:
            NotFound: the account has none of this name.
        """
        with closing(self._open()) as store:
            store.set_paused(account, name, paused=paused)

    def test(self, account: int, name: str) -> Tested:
        """Make a harmless call to a vendor, if its kind has one.

        Raises:
            NotFound: the account has none of this name.
        """
        vendor = self._vendor(account, name)
        kind = kind_of(vendor.kind)
        if not vendor.relayed:
            text = "The vendor account takes receipts only: it has no credentials to test."
            return Tested(proven=None, code="", text=text)
        if kind.probe is None:
            text = f"{kind.title} has no call that changes nothing: send a message, and watch the relay."
            return Tested(proven=None, code="", text=text)
        with closing(Calls(vendor, kind, self._clock)) as calls:
            outcome = calls.probe()
        if outcome.fate is Fate.DELIVERED:
            return Tested(proven=True, code="", text=f"The credentials are right: otpconv {kind.probe.how}.")
        return Tested(proven=False, code=outcome.code, text=f"{outcome.reason}. {kind.remedy(outcome.code)}")

    def states(self, account: int | None = None) -> list[RelayState]:
        """Return how the relay to each vendor account of an account is doing, or of all."""
        vendors = [vendor for vendor in self.accounts(account) if vendor.relayed]
        if not vendors:
            return []
        now = self._clock()
        with closing(self._engine.relay()) as store:
            counts, contacts = store.counts(), store.contacts()
            due = {vendor.id: store.next_due(vendor.id) for vendor in vendors}
        return [
            RelayState(
                vendor=vendor,
                counts=counts.get(vendor.id, {}),
                state="paused" if vendor.paused else contact.state if contact else "closed",
                error=contact.error if contact else "",
                late_ms=max(0, now - at) if (at := due[vendor.id]) is not None else 0,
            )
            for vendor in vendors
            for contact in (contacts.get(vendor.id),)
        ]

    def letters(self, account: int, name: str, limit: int) -> list[Evidence]:
        """Return the newest dead letters of a vendor account, at most `limit`.

        Raises:
            NotFound: the account has none of this name.
        """
        vendor = self._vendor(account, name)
        with closing(self._engine.relay()) as store:
            return store.letters(vendor.id, min(limit, MAX_LETTERS))

    def retry(self, account: int, name: str, message_id: str | None) -> int:
        """Send dead letters of a vendor account again: of one message, or up to `MAX_LETTERS`.

        Returns:
            How many.

        Raises:
            NotFound: the account has none of this name.
        """
        vendor = self._vendor(account, name)
        with closing(self._engine.relay()) as store:
            return store.retry(vendor.id, message_id, self._clock())

    def _vendor(self, account: int, name: str) -> VendorAccount:
        for vendor in self.accounts(account):
            if vendor.name == name:
                return vendor
        raise unknown_vendor(name)
