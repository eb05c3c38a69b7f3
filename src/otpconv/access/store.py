"""The contract of what a storage engine keeps about access; the tests run against every engine."""

from typing import Protocol

from otpconv.access.alert_targets import AlertTargetStore
from otpconv.access.directory import Directory
from otpconv.access.keys import KeyStore
from otpconv.access.once import OnceGuard
from otpconv.access.prices import PriceStore
from otpconv.access.saved_views import SavedViewStore
from otpconv.access.sealing import Sealer
from otpconv.access.sign_outs import SignOutStore
from otpconv.access.vendors import VendorStore


class AccessStore(Protocol):
    """Opens the stores of one storage: access keys, the directory, vendor accounts, and others.

    All methods of the stores may block: they are called at the start, by the command line, and on threads
    beside the event loop. Requests read what `KeyRing` and `SignOuts` hold in memory.

    Each method raises `errors.Misconfigured` if the storage can't be used, and `errors.Unavailable` if it
    fails.
    """

    def adopt(self, sealer: Sealer) -> None:
        """Record which sealing key a server uses with this storage, if it is the first one.

        Raises:
            Misconfigured: the storage was first used with another sealing key.
        """

    def once(self) -> OnceGuard | None:
        """Return the guard of what may be used once among all nodes; None if there is one process only."""

    def keys(self, sealer: Sealer) -> KeyStore:
        """Open the access keys; their secrets are sealed with `sealer`."""

    def directory(self) -> Directory:
        """Open the users, roles and policies."""

    def vendors(self, sealer: Sealer) -> VendorStore:
        """Open the vendor accounts; their secrets are sealed with `sealer`."""

    def alert_targets(self, sealer: Sealer) -> AlertTargetStore:
        """Open the targets of notifications; their secrets are sealed with `sealer`."""

    def prices(self) -> PriceStore:
        """Open the price lists."""

    def saved_views(self) -> SavedViewStore:
        """Open the saved views of the dashboard."""

    def sign_outs(self) -> SignOutStore:
        """Open the ended sign-ins."""
