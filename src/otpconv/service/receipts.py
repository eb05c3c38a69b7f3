"""The receipts that vendors push: where they belong, and how many there were."""

import asyncio
import hmac
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from otpconv.access.vendors import URL_SECRET, VendorAccount

#: How old the vendor accounts in memory may be, s: as long as a change at another node takes to count.
_FRESH_S: Final = 1.0
#: Vendor accounts that are counted separately; the one counted first is forgotten beyond it.
MAX_COUNTED: Final = 10_000


class ReceiptUrls:
    """Finds the vendor account of a URL. For the event loop; the storage is read beside it.

    Args:
        accounts: reads the vendor accounts of all accounts, and waits for the disk.
        changes: returns how many changes of them this process has made.
    """

    def __init__(self, accounts: Callable[[], list[VendorAccount]], changes: Callable[[], int]) -> None:
        self._accounts = accounts
        self._changes = changes
        self._changes_read = 0
        self._by_name: dict[str, list[VendorAccount]] = {}
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    async def find(self, name: str, secret: str) -> VendorAccount | None:
        """Return the vendor account of a name and the secret of its URL; None if there is none.

        A name is unique only within its account, so the secret decides. The time it takes does not depend on
        how much of a secret is right.

        Raises:
            Misconfigured: the secrets were sealed with another key.
            Unavailable: the storage failed.
        """
        await self._refresh()
        found = None
        for vendor in self._by_name.get(name, []):
            right = vendor.secrets.get(URL_SECRET, "")
            if hmac.compare_digest(right.encode(), secret.encode()) and right:
                found = vendor
        return found

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        if self._is_fresh(loop):
            return
        async with self._reading:
            if self._is_fresh(loop):
                return
            began, changes = loop.time(), self._changes()
            by_name: dict[str, list[VendorAccount]] = {}
            for vendor in await asyncio.to_thread(self._accounts):
                by_name.setdefault(vendor.name, []).append(vendor)
            self._by_name, self._read_at, self._changes_read = by_name, began, changes

    def _is_fresh(self, loop: asyncio.AbstractEventLoop) -> bool:
        if self._read_at is None or self._changes_read != self._changes():
            return False
        return loop.time() - self._read_at < _FRESH_S


class ReceiptCounts:
    """Counts receipts by vendor account and result."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, str], Counter[str]] = {}

    def count(self, vendor: VendorAccount, result: str, number: int = 1) -> None:
        """Count receipts: `recorded`, `unchanged` (known before), `refused`, or `forged` pushes."""
        of = vendor.account, vendor.name
        if of not in self._counts:
            if len(self._counts) >= MAX_COUNTED:
                del self._counts[next(iter(self._counts))]
            self._counts[of] = Counter()
        self._counts[of][result] += number

    def metrics(self, account: int) -> "ReceiptMetrics":
        """Return the counts of an account, as metrics."""
        return ReceiptMetrics(
            {name: counts.copy() for (of, name), counts in self._counts.copy().items() if of == account}
        )


class ReceiptMetrics(Collector):
    """The receipts of an account.

    Args:
        counts: by vendor account and result.
    """

    def __init__(self, counts: dict[str, Counter[str]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        """Yield the number of receipts."""
        receipts = CounterMetricFamily(
            "otpconv_receipts",
            "Receipts that vendors pushed to this server, by vendor account and result.",
            labels=("vendor", "result"),
        )
        for vendor, counts in self._counts.items():
            for result, count in counts.items():
                receipts.add_metric((vendor, result), count)
        yield receipts
