"""`/metrics`, for Prometheus."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from otpconv.access.keys import AccessKey
from otpconv.model import OTHER
from otpconv.service.compose import Service
from otpconv.storage.contract import HOUR_MS, MINUTE_MS, Count, LedgerReader, Window
from otpconv.web.front.callers import caller_of
from otpconv.web.rpc.sending import Sends

#: Combinations of provider and country with their own metrics; the rest is summed as `OTHER`.
MAX_ROUTES = 100
_OTHER = (OTHER, OTHER)
_LABELS = ("provider", "country", "window")


class MetricsEndpoint:
    """Serves the metrics of the server and of the caller's account."""

    def __init__(self, service: Service, caller: Callable[[Request, str], AccessKey], sends: Sends) -> None:
        """Create the endpoint.

        Args:
            service: answers questions, and has the metrics of the server.
            caller: authenticates a request for an action.
            sends: has the metrics of messages that were passed on.
        """
        self._service = service
        self._sends = sends
        self._caller = caller

    async def get(self, request: Request) -> Response:
        """Answer with all metrics, in the format that the request accepts."""
        key = self._caller(request, "otpconv:GetMetrics")
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        # Measured before the question waits for the ledger to catch up.
        lag = self._service.lag()
        body = await self._service.questions.ask(
            caller_of(key),
            lambda ledger: self._encoded(encode, ledger, key.account, lag),
            lambda encoded, _: encoded,
        )
        return Response(body, media_type=media_type, headers={"cache-control": "no-store"})

    def _encoded(
        self, encode: Callable[[CollectorRegistry], bytes], ledger: LedgerReader, account: int, lag: int
    ) -> bytes:
        own = CollectorRegistry()
        own.register(_Account(ledger, account, lag, self._service.clock()))
        own.register(self._service.relaying.metrics(account))
        own.register(self._service.alerting.metrics(account))
        own.register(self._service.alerting.target_metrics(account))
        own.register(self._service.vendors.receipt_counts.metrics(account))
        own.register(self._sends.metrics(account))
        return encode(_Joined(self._service.metrics.registry, own))


class _Joined(CollectorRegistry):
    """The metrics of several registries."""

    def __init__(self, *registries: CollectorRegistry) -> None:
        super().__init__()
        self._registries = registries

    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        for registry in self._registries:
            yield from registry.collect()


class _Account(Collector):
    """The messages of one account: all, and those of the last hour."""

    def __init__(self, ledger: LedgerReader, account: int, lag: int, now: int) -> None:
        self._ledger = ledger
        self._account = account
        self._lag = lag
        self._now = now

    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        yield GaugeMetricFamily(
            "otpconv_journal_lag_reports", "Acknowledged reports that are not in the ledger yet.", self._lag
        )
        yield GaugeMetricFamily(
            "otpconv_unmatched_conversions",
            "Messages and numbers with conversions but without a known message.",
            self._ledger.unmatched(self._account),
        )
        yield GaugeMetricFamily(
            "otpconv_folded_messages",
            f"Messages of today (UTC) that are counted as {OTHER} in a dimension: it had too many values.",
            self._ledger.folded(self._account, self._now, self._now + 1),
        )
        requested = GaugeMetricFamily(
            "otpconv_requested_messages", "Messages that were handed to a vendor.", labels=_LABELS
        )
        verified = GaugeMetricFamily(
            "otpconv_verified_messages", "Those of them whose code came back.", labels=_LABELS
        )
        minute = self._now // MINUTE_MS * MINUTE_MS + MINUTE_MS
        hour = Window(minutes=((minute - HOUR_MS, minute),))
        counts = self._ledger.counts(self._account, hour, ("provider", "country"), {}, delays=False)
        counts.sort(key=lambda count: (-count.tally.requested, count.group))
        for name, routes in (("all", self._ledger.routes(self._account, MAX_ROUTES)), ("1h", counts)):
            for (provider, country), (asked, came) in _largest(routes).items():
                requested.add_metric((provider, country, name), asked)
                verified.add_metric((provider, country, name), came)
        yield requested
        yield verified


def _largest(counts: Sequence[Count]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Return requested and verified by provider and country, the first `MAX_ROUTES`, then the rest."""
    routes: dict[tuple[str, ...], tuple[int, int]] = {}
    for place, count in enumerate(counts):
        route = count.group if place < MAX_ROUTES else _OTHER
        asked, came = routes.get(route, (0, 0))
        routes[route] = asked + count.tally.requested, came + count.tally.verified
    return routes
