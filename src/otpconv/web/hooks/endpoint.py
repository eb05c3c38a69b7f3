"""`/hooks/{vendor account}/{secret}`: receipts that vendors push, from bytes to acknowledgement.

The path has a secret. So no error leaves this module: each becomes an answer in the vendor's form, and the
path gets neither into the log nor into the audit trail.
"""

import logging
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from otpconv.access.vendors import VendorAccount
from otpconv.dialects.dialect import HttpResponse, Outcome, by_name
from otpconv.dialects.receipts import MAX_PUSH_BYTES, Delivery, Push, Pushed, ReceiptWire
from otpconv.dialects.webhook.receipts import OWN_RECEIPTS
from otpconv.errors import (
    BadCredentials,
    BodyTooLarge,
    MethodNotAllowed,
    NotFound,
    OtpconvError,
    Refused,
    SignatureMismatch,
    Throttled,
)
from otpconv.relay.kinds import KINDS
from otpconv.service.compose import Service
from otpconv.service.receipts import ReceiptUrls
from otpconv.web.front.body import Bodies
from otpconv.web.front.failures import FailureLog
from otpconv.web.front.gate import Gate
from otpconv.web.hooks.reports import reports_of
from otpconv.web.hooks.vendor_hosts import VendorHosts
from otpconv.web.v1.vendor_types import HOOKS_PATH

#: What pushes are in the metrics and the audit trail; the secret in the URL permits it, and no policy.
RECORD_RECEIPTS: Final = "RecordReceipts"

_log = logging.getLogger(__name__)


class HooksEndpoint:
    """Takes the receipts of all vendor accounts.

    Args:
        service: records them.
        bodies: reads bodies.
        gate: counts and audits refusals.
        failures: the log of failed requests.
        public_url: what the URLs that vendors call begin with.
        hosts: calls the hosts of vendors.
    """

    def __init__(
        self,
        service: Service,
        bodies: Bodies,
        gate: Gate,
        *,
        failures: FailureLog,
        public_url: str,
        hosts: VendorHosts | None = None,
    ) -> None:
        self._service = service
        self._bodies = bodies
        self._gate = gate
        self._failures = failures
        self._public_url = public_url
        self._hosts = hosts or VendorHosts()
        self._urls = ReceiptUrls(service.vendors.accounts, lambda: service.vendors.changes)
        self._counts = service.vendors.receipt_counts

    def routes(self) -> list[Route]:
        """Return the route of the handler."""
        return [Route(f"{HOOKS_PATH}/{{name}}/{{secret}}", self.push, methods=["GET", "POST"])]

    async def push(self, request: Request) -> Response:
        """Record what a vendor pushes, and answer once it is durable."""
        scope = request.scope
        scope["otpconv.action"] = RECORD_RECEIPTS
        vendor: VendorAccount | None = None
        wire = OWN_RECEIPTS
        try:
            vendor = await self._vendor(request)
            wire = KINDS[vendor.kind].receipts
            response = wire.success(await self._take(request, vendor, wire))
        except Exception as error:  # noqa: BLE001 - the vendor gets an answer of its form
            response = wire.failure(self._noted(error, scope, vendor))
        scope["otpconv.code"] = response.code
        return _starlette(response)

    async def _vendor(self, request: Request) -> VendorAccount:
        """Return the vendor account of a URL.

        Raises:
            NotFound: there is none, whatever is wrong with the URL.
            Throttled: the address has called too many such URLs.
        """
        scope, now = request.scope, self._service.clock()
        vendor = await self._urls.find(request.path_params["name"], request.path_params["secret"])
        if vendor is not None and vendor.kind in KINDS:
            return vendor
        # Only now: others can make a vendor call wrong URLs here, from the addresses of the right ones.
        self._gate.check(scope, now)
        self._gate.failed(scope, now)
        self._gate.refused(BadCredentials("a wrong URL"), scope, what=RECORD_RECEIPTS)
        raise NotFound("There is nothing at this path. For the URL, run: otpconv vendors receipts NAME")

    async def _take(self, request: Request, vendor: VendorAccount, wire: ReceiptWire) -> list[Outcome]:
        scope, now = request.scope, self._service.clock()
        if request.method not in wire.methods:
            raise MethodNotAllowed(f"Use {' or '.join(wire.methods)}.")
        self._gate.take(vendor.account, f"vendor/{vendor.name}", RECORD_RECEIPTS, now)
        try:
            async with self._bodies.read(scope, request.receive) as body:
                query, fields = scope["query_string"], by_name(scope["headers"])
                push = Push(request.method, self._url(scope), query, fields, body, now)
        except BodyTooLarge:
            raise BodyTooLarge(f"The receipts have over {MAX_PUSH_BYTES // 1024} KiB. Push fewer.") from None
        wire.verify(push, vendor.settings | vendor.secrets)
        if wire.sealed is not None:
            await self._hosts.verify(wire.sealed(push))
        pushed = wire.read(push)
        if pushed.confirm_url:
            await self._hosts.confirm(pushed.confirm_url)
            _log.info("the subscription of the vendor account %s is confirmed", vendor.name)
        return await self._record(pushed, vendor, wire, now)

    async def _record(
        self, pushed: Pushed, vendor: VendorAccount, wire: ReceiptWire, now: int
    ) -> list[Outcome]:
        """Record the reports of a push, and return what became of each item."""
        service = self._service
        malformed = [item for item in pushed.items if isinstance(item, Refused)]
        if malformed and len(malformed) == len(pushed.items) and not wire.names_items:
            raise malformed[0]
        parts = [
            reports_of(item, vendor, now, service.number_hash, service.region)
            for item in pushed.items
            if isinstance(item, Delivery)
        ]
        judgements = iter(await service.intake.record([report for part in parts for report in part]))
        receipts = iter([[next(judgements) for _ in part][-1] for part in parts])
        outcomes = [item if isinstance(item, Refused) else next(receipts) for item in pushed.items]
        for outcome in outcomes:
            self._counts.count(vendor, "refused" if isinstance(outcome, Refused) else outcome)
        return outcomes

    def _url(self, scope: Scope) -> str:
        query = scope["query_string"].decode("latin-1")
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        return f"{self._public_url}{path}{'?' * bool(query)}{query}"

    def _noted(self, error: Exception, scope: Scope, vendor: VendorAccount | None) -> OtpconvError:
        """Log, count and audit why a push was not recorded, and return the error for the vendor."""
        if not isinstance(error, Refused):
            self._failures.note(error, "a push of receipts", scope.get("otpconv.request_id", ""))
            return error if isinstance(error, OtpconvError) else OtpconvError("The server failed.")
        if vendor is None:
            if isinstance(error, Throttled):
                self._gate.refused(error, scope, what=RECORD_RECEIPTS)
        else:
            forged = isinstance(error, SignatureMismatch)
            if forged:
                self._gate.failed(scope, self._service.clock())
            self._counts.count(vendor, "forged" if forged else "refused")
            self._gate.refused_push(error, scope, what=RECORD_RECEIPTS, vendor=vendor)
        return error


def _starlette(response: HttpResponse) -> Response:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
    return Response(response.body, response.status, headers | {"cache-control": "no-store"})
