"""What a server keeps of a phone number: a keyed hash and, for some messages, the number itself, sealed."""

from collections.abc import Iterable

from otpconv.access.number_seal import NumberSeal
from otpconv.access.sealing import Sealer
from otpconv.access.vendors import VendorAccount
from otpconv.config import Settings
from otpconv.phone import NumberHash
from otpconv.relay.kinds import KINDS
from otpconv.service.opening import open_sealer


class Numbers(NumberHash):
    """The keyed hash of numbers, and their seal where a vendor knows messages by their numbers alone.

    Args:
        sealer: the keys are derived from the sealing key.
    """

    def __init__(self, sealer: Sealer) -> None:
        super().__init__(sealer.derive("number"))
        self._seal = NumberSeal(sealer)
        self._providers: frozenset[tuple[int, str]] = frozenset()

    def see(self, vendors: Iterable[VendorAccount]) -> None:
        """Learn all vendor accounts there are; any thread may call it."""
        self._providers = frozenset(
            (vendor.account, vendor.provider)
            for vendor in vendors
            if vendor.kind in KINDS and KINDS[vendor.kind].known_by == "number"
        )

    def sealed(self, account: int, message_id: str, provider: str, e164: str) -> str:
        """Return what stands for the number at the vendor of a message; empty if it knows messages by ids."""
        if (account, provider) not in self._providers:
            return ""
        return self._seal.seal(account, message_id, e164)


def open_number_hash(settings: Settings) -> Numbers:
    """Return the hash under which a data folder stores numbers.

    Raises:
        Misconfigured: the folder or its key can't be used.
    """
    return Numbers(open_sealer(settings))
