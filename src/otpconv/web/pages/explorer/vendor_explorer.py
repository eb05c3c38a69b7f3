"""The explorer of the other vendors: a form for each operation, its answer, the signature, and the code."""

import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from otpconv.dialects.tutor.operation import Operation, Signer, Way
from otpconv.dialects.tutor.vendor import Vendor, Walkthrough, walk
from otpconv.dialects.vendors import VENDORS
from otpconv.errors import NotFound
from otpconv.service.compose import Service
from otpconv.service.sandbox import ACCOUNT
from otpconv.web.front.body import Bodies
from otpconv.web.pages.explorer.calling import Reply, call, takes_sandbox
from otpconv.web.pages.explorer.snippets import Snippet
from otpconv.web.pages.explorer.vendor_snippets import VendorSnippets
from otpconv.web.pages.forms import read_form, require_token
from otpconv.web.pages.layout import Layout
from otpconv.web.pages.visitors import Visitor, Visitors


class VendorExplorer:
    """`/explorer/VENDOR/OPERATION`.

    Args:
        service: has the sandbox and the clock.
        bodies: reads the forms.
        layout: renders the pages.
        visitors: say why a visitor may not make a call.
        app: answers the calls.
        public_url: the URL that the code calls.
    """

    def __init__(
        self,
        service: Service,
        bodies: Bodies,
        *,
        layout: Layout,
        visitors: Visitors,
        app: ASGIApp,
        public_url: str,
    ) -> None:
        self._service = service
        self._bodies = bodies
        self._layout = layout
        self._visitors = visitors
        self._app = app
        self._snippets = VendorSnippets(layout, public_url)
        self._host = public_url.partition("://")[2]

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Respond with the form of one operation."""
        vendor, operation = _operation(request)
        way = operation.way(request.query_params.get("way", ""))
        given = {each.name: each.example for each in operation.parameters if each.mandatory}
        return self._page(request, visitor, vendor, operation, way, given, sandbox=operation.method != "GET")

    async def run(self, request: Request, visitor: Visitor) -> Response:
        """Sign a call and, if that is wanted, make it."""
        vendor, operation = _operation(request)
        form = await read_form(self._bodies, request)
        require_token(form, visitor.signed_in.form_token)
        way = operation.way(form.get("way", ""))
        given = {each.name: form.get(f"p-{each.name}", "") for each in operation.parameters}
        sandbox = takes_sandbox(form, visitor)
        key = await self._service.sandbox_key() if sandbox else visitor.key

        def signed() -> Walkthrough:
            signer = Signer(
                key.access_key_id, key.secret, self._host, self._service.clock(), secrets.token_hex(16)
            )
            return walk(vendor, operation, way, given, signer)

        made = signed()
        reply = await call(self._app, request, made.request) if form.get("do") == "call" else None
        # Some signatures are good once, so that of the command is another one.
        curl = self._snippets.curl(signed().shown, way)
        return self._page(
            request,
            visitor,
            vendor,
            operation,
            way,
            given,
            sandbox=sandbox,
            made=made,
            reply=reply,
            curl=curl,
        )

    def _page(  # noqa: PLR0917 - the parts of the page
        self,
        request: Request,
        visitor: Visitor,
        vendor: Vendor,
        operation: Operation,
        way: Way,
        given: Mapping[str, str],
        *,
        sandbox: bool,
        made: Walkthrough | None = None,
        reply: Reply | None = None,
        curl: Snippet | None = None,
    ) -> Response:
        if curl is None and way.curl:
            draft = operation.draft(given, Signer(visitor.key.access_key_id, "", self._host, 0, ""))
            curl = self._snippets.curl(draft, way)
        snippets = self._snippets.of(vendor, operation, way, given)
        return self._layout.page(
            "vendor_operation.html",
            f"/explorer/{vendor.name}/{operation.name}",
            visitor,
            vendor=vendor,
            operation=operation,
            way=way,
            given=given,
            sandbox=sandbox,
            sandbox_account=ACCOUNT,
            refusal=self._visitors.refusal(request, visitor, operation.permission),
            made=made,
            reply=reply,
            snippets=[*snippets, *([curl] if curl else [])],
        )


def _operation(request: Request) -> tuple[Vendor, Operation]:
    vendor = VENDORS.get(request.path_params["vendor"])
    operation = vendor.operation(request.path_params["operation"]) if vendor else None
    if vendor is None or operation is None:
        raise NotFound("There is no such operation; /explorer lists them.")
    return vendor, operation
