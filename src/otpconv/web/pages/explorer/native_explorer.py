"""The explorer of the native API: a form for each call, its answer, and the curl command."""

import base64
import shlex
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from otpconv.dialects.tutor.request import ApiRequest
from otpconv.errors import NotFound
from otpconv.service.compose import Service
from otpconv.service.sandbox import ACCOUNT
from otpconv.web.front.body import Bodies
from otpconv.web.pages.explorer.calling import Reply, call, takes_sandbox
from otpconv.web.pages.explorer.native_calls import NativeCall
from otpconv.web.pages.forms import read_form, require_token
from otpconv.web.pages.layout import Layout
from otpconv.web.pages.visitors import Visitor
from otpconv.web.v1.annotations import ANNOTATIONS_PATH

PATH = "/explorer/v1"


class NativeExplorer:
    """`/explorer/v1/CALL`."""

    def __init__(
        self,
        service: Service,
        calls: Mapping[str, NativeCall],
        bodies: Bodies,
        *,
        layout: Layout,
        app: ASGIApp,
        public_url: str,
    ) -> None:
        """Create the pages.

        Args:
            service: has the sandbox.
            calls: the calls of the native API, by name.
            bodies: reads the forms.
            layout: renders the pages.
            app: answers the calls.
            public_url: the URL that the commands call.
        """
        self._service = service
        self._bodies = bodies
        self._layout = layout
        self._app = app
        self._public_url = public_url
        self._calls = calls

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Answer the form of one call."""
        called = self._called(request)
        filled = {each.name: each.example for each in called.fields if each.mandatory}
        return self._page(visitor, called, filled, sandbox=_has_sandbox(called) and called.method != "GET")

    async def run(self, request: Request, visitor: Visitor) -> Response:
        """Make a call."""
        called = self._called(request)
        form = await read_form(self._bodies, request)
        require_token(form, visitor.signed_in.form_token)
        given = {each.name: form.get(f"p-{each.name}", "") for each in called.fields}
        sent = called.sent(given)
        sandbox = takes_sandbox(form, visitor) and _has_sandbox(called)
        key = await self._service.sandbox_key() if sandbox else visitor.key
        who = base64.b64encode(f"{key.access_key_id}:{key.secret}".encode()).decode()
        authorized = ApiRequest(
            sent.method, sent.path, sent.query, {**sent.headers, "authorization": f"Basic {who}"}, sent.body
        )
        reply = await call(self._app, request, authorized)
        return self._page(visitor, called, given, sandbox=sandbox, reply=reply)

    def _called(self, request: Request) -> NativeCall:
        called = self._calls.get(request.path_params["call"])
        if called is None:
            raise NotFound("There is no such call; /explorer lists them.")
        return called

    def _page(
        self,
        visitor: Visitor,
        called: NativeCall,
        given: dict[str, str],
        *,
        sandbox: bool,
        reply: Reply | None = None,
    ) -> Response:
        return self._layout.page(
            "native.html",
            f"{PATH}/{called.name}",
            visitor,
            called=called,
            sandbox=sandbox,
            sandbox_account=ACCOUNT,
            has_sandbox=_has_sandbox(called),
            given=given,
            reply=reply,
            command=_curl(self._public_url, called.sent(given)),
        )


def _has_sandbox(called: NativeCall) -> bool:
    """Return whether a call can be made in the sandbox, which may report and read, but not annotate."""
    return not called.path.startswith(ANNOTATIONS_PATH)


def _curl(public_url: str, sent: ApiRequest) -> str:
    """Return the command; the key it reads from variables."""
    target = f"{public_url}{sent.path}{'?' if sent.query else ''}{sent.query}"
    lines = [f'curl -u "$OTPCONV_ACCESS_KEY_ID:$OTPCONV_ACCESS_KEY_SECRET" {shlex.quote(target)}']
    lines += [f"  -H {shlex.quote(f'{name}: {value}')}" for name, value in sent.headers.items()]
    if sent.body:
        lines.append(f"  -d {shlex.quote(sent.body.decode())}")
    return " \\\n".join(lines) + "\n"
