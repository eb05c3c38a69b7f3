"""Vendor accounts: credentials and settings of accounts at vendors.

The relay passes conversions on to them, and they push receipts.
"""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

#: The most vendor accounts of an account: each one that is active has a thread and connections.
MAX_VENDORS = 32
#: The most characters of a provider's name, of a setting and of a secret.
MAX_PROVIDER_CHARS, MAX_SETTING_CHARS = 64, 4_000


#: The setting that is `off` if no conversions are passed on.
RELAY_SETTING = "relay"
#: The secret in the URL to which the vendor pushes receipts.
URL_SECRET = "url_secret"  # noqa: S105 - its name


class NewVendor(Struct, frozen=True):
    """A vendor account to create.

    Attributes:
        name: unique within the account.
        kind: the name of a kind of vendor, e.g. `alibaba`.
        provider: the provider of the messages whose conversions it gets; unique within the account.
        settings: values that may be shown, e.g. the endpoint and the key id.
        secrets: values that are never shown; sealed at rest.
        per_second: the most reports per second; 0 uses the limit of the kind.
        since: position of the last journal entry that is not passed on.
    """

    name: str
    kind: str
    provider: str
    settings: dict[str, str]
    secrets: dict[str, str]
    per_second: int = 0
    since: int = 0

    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"{type(self).__name__}({self.name!r})"


class VendorAccount(NewVendor, frozen=True, kw_only=True):
    """A vendor account.

    Attributes:
        id: unique within the storage, and never used again.
        account: the number of the account that it belongs to.
        paused: whether an operator has paused the relay to it.
        created_at: ms.
    """

    id: int
    account: int
    paused: bool = False
    created_at: int = 0

    @property
    def relayed(self) -> bool:
        """Whether conversions are passed on to it."""
        return self.settings.get(RELAY_SETTING) != "off"


#: Returns the new settings and secrets of a vendor account.
ChangeValues = Callable[[VendorAccount], tuple[dict[str, str], dict[str, str]]]


class VendorStore(Protocol):
    """The vendor accounts of all accounts, for any thread; the methods wait for the disk.

    Every method may raise `Unavailable` if the storage fails, and `Misconfigured` if it can't be used.
    """

    def list(self, account: int | None = None) -> list[VendorAccount]:
        """Return the vendor accounts of an account, or of all, by account and name.

        Raises:
            Misconfigured: the secrets were sealed with another key.
        """

    def create(self, account: int, vendor: NewVendor) -> VendorAccount:
        """Create a vendor account; it is durable when this returns.

        Raises:
            InvalidRequest: the account has one of this name or for this provider, or `MAX_VENDORS` already.
        """

    def set_paused(self, account: int, name: str, *, paused: bool) -> None:
        """Pause the relay to a vendor account, or resume it.

        Raises:
            NotFound: the account has none of this name.
        """

    def change(self, account: int, name: str, change: ChangeValues) -> VendorAccount:
        """Replace the settings and secrets of a vendor account by those that `change` makes of it.

        Raises:
            NotFound: the account has none of this name.
        """

    def delete(self, account: int, name: str) -> None:
        """Delete a vendor account with its secrets.

        Raises:
            NotFound: the account has none of this name.
        """

    def close(self) -> None:
        """Release the file or connection of the calling thread."""
