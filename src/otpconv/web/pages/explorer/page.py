"""The explorer: every operation with its parameters, signed step by step, called, and as code.

Signs a call with the access key of the visitor, and lets this server answer it. So policies, limits and the
audit trail treat it like any other call. The secret never leaves the server.
"""

import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from otpconv.dialects.alibaba import OPERATIONS, Operation
from otpconv.dialects.alibaba.tutor.walkthrough import Signature, Walkthrough, walk
from otpconv.dialects.tutor.request import ApiRequest
from otpconv.errors import NotFound
from otpconv.service.compose import Service
from otpconv.service.sandbox import ACCOUNT
from otpconv.web.front.body import Bodies
from otpconv.web.pages.explorer.calling import Reply, call, takes_sandbox
from otpconv.web.pages.explorer.snippets import Snippet, Snippets
from otpconv.web.pages.forms import read_form, require_token
from otpconv.web.pages.layout import Layout
from otpconv.web.pages.visitors import Visitor, Visitors

PATH = "/explorer"

_OPERATIONS = {operation.action: operation for operation in OPERATIONS}
#: What a form begins with.
_FILLED = {"Delivered", "MessageId", "ConversionRate", "RoleArn", "RoleSessionName"}


class Explorer:
    """`/explorer` and `/explorer/ACTION`."""

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
        """Create the pages.

        Args:
            service: has the sandbox and the clock.
            bodies: reads the forms.
            layout: renders the pages.
            visitors: say why a visitor may not make a call.
            app: answers the calls.
            public_url: the URL that the code calls.
        """
        self._service = service
        self._clock = service.clock
        self._bodies = bodies
        self._layout = layout
        self._visitors = visitors
        self._app = app
        self._snippets = Snippets(layout, public_url)
        self._host = public_url.partition("://")[2]

    async def index(self, _: Request, visitor: Visitor) -> Response:
        """Answer what there is to explore."""
        return self._layout.page("explorer.html", PATH, visitor)

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Answer the form of one operation."""
        operation = _operation(request)
        filled = {each.name: each.example for each in operation.parameters if each.name in _FILLED}
        signature: Signature = "V1" if request.query_params.get("signature") == "V1" else "V3"
        return self._page(request, visitor, operation, filled, signature)

    async def run(self, request: Request, visitor: Visitor) -> Response:
        """Sign a call and, if that is wanted, make it."""
        operation = _operation(request)
        form = await read_form(self._bodies, request)
        require_token(form, visitor.signed_in.form_token)
        given = {each.name: form.get(f"p-{each.name}", "") for each in operation.parameters}
        parameters = {name: value for name, value in given.items() if value}
        signature: Signature = "V1" if form.get("signature") == "V1" else "V3"
        sandbox = takes_sandbox(form, visitor) and operation.action != "AssumeRole"
        key = await self._service.sandbox_key() if sandbox else visitor.key

        def signed() -> Walkthrough:
            return walk(
                signature,
                operation,
                parameters,
                host=self._host,
                access_key_id=key.access_key_id,
                secret=key.secret,
                now=self._clock(),
                nonce=secrets.token_hex(16),
            )

        made = signed()
        reply = None
        if form.get("do") == "call":
            reply = await call(self._app, request, ApiRequest(made.method, "/", made.query, made.headers))
        # A request is good once, so that of the command is another one.
        curl = self._snippets.curl(signed())
        return self._page(
            request,
            visitor,
            operation,
            given,
            signature,
            sandbox=sandbox,
            made=made,
            reply=reply,
            curl=curl,
        )

    def _page(
        self,
        request: Request,
        visitor: Visitor,
        operation: Operation,
        given: Mapping[str, str],
        signature: Signature,
        *,
        sandbox: bool = True,
        made: Walkthrough | None = None,
        reply: Reply | None = None,
        curl: Snippet | None = None,
    ) -> Response:
        parameters = {name: value for name, value in given.items() if value}
        snippets = self._snippets.of(operation, parameters, signature)
        return self._layout.page(
            "operation.html",
            f"{PATH}/{operation.action}",
            visitor,
            operation=operation,
            given=given,
            signature=signature,
            sandbox=sandbox,
            sandbox_account=ACCOUNT,
            has_sandbox=operation.action != "AssumeRole",
            refusal=self._refusal(request, visitor, operation),
            made=made,
            reply=reply,
            snippets=[*snippets, curl] if curl else snippets,
        )

    def _refusal(self, request: Request, visitor: Visitor, operation: Operation) -> str:
        """Return why a visitor may not make the call; empty when nothing speaks against it."""
        # Whether a role may be assumed depends on which.
        if operation.action == "AssumeRole":
            return ""
        return self._visitors.refusal(request, visitor, f"dysms:{operation.action}")


def _operation(request: Request) -> Operation:
    operation = _OPERATIONS.get(request.path_params["action"])
    if operation is None:
        raise NotFound("There is no such operation; /explorer lists them.")
    return operation
