"""How often messages were passed on to each vendor account, with what result, and how long it took."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import Final, Literal

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from otpconv.access.vendors import VendorAccount

#: What became of a message: `unknown` may have been sent; `unreachable` and `throttled` were not sent.
Result = Literal["accepted", "refused", "unknown", "unreachable", "throttled"]

#: Vendor accounts with numbers at most; those that were used last.
MAX_VENDORS: Final = 1_000
#: Upper bounds of the times, s.
_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, float("inf"))


class SendMetrics:
    """The numbers of all vendor accounts. Any thread may read them."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str], _Numbers] = {}

    def note(self, vendor: VendorAccount, result: Result, seconds: float) -> None:
        """Count a message, and the time that passing it on took, s."""
        name = vendor.account, vendor.name
        numbers = self._numbers.pop(name, None) or _Numbers()
        if len(self._numbers) >= MAX_VENDORS:
            self._numbers.pop(next(iter(self._numbers)))
        self._numbers[name] = numbers
        numbers.results[result] += 1
        numbers.seconds += seconds
        numbers.times[bisect_left(_SECONDS, seconds)] += 1

    def of(self, account: int) -> Collector:
        """Return the metrics of the vendor accounts of an account."""
        return _Account(
            {vendor: numbers for (of, vendor), numbers in self._numbers.copy().items() if of == account}
        )


class _Numbers:
    """The numbers of one vendor account."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter()
        self.seconds = 0.0
        self.times = [0] * len(_SECONDS)


class _Account(Collector):
    def __init__(self, numbers: dict[str, _Numbers]) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        sends = CounterMetricFamily(
            "otpconv_sends",
            "Messages that were passed on to a vendor, by result.",
            labels=("vendor", "result"),
        )
        seconds = HistogramMetricFamily(
            "otpconv_send_seconds", "Time until the vendor's answer.", labels=("vendor",)
        )
        for vendor, numbers in self._numbers.items():
            for result, count in numbers.results.copy().items():
                sends.add_metric((vendor, result), count)
            bounds = ["+Inf" if bound == float("inf") else str(bound) for bound in _SECONDS]
            seconds.add_metric(
                (vendor,), list(zip(bounds, accumulate(numbers.times), strict=True)), numbers.seconds
            )
        yield from (sends, seconds)
