"""Signing in, by an access key or by a one-time link, and signing out."""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from otpconv.access.keys import AccessKey
from otpconv.access.sign_in_links import SignInLink, SignInLinks, unusable
from otpconv.audit import shown_key_id
from otpconv.clock import Clock
from otpconv.errors import BadCredentials, InactiveAccessKey, OtpconvError, Refused, Throttled
from otpconv.service.compose import Service
from otpconv.web.front.body import Bodies
from otpconv.web.front.gate import Gate
from otpconv.web.pages.forms import read_form, require_token
from otpconv.web.pages.layout import HEADERS, HOME, Layout
from otpconv.web.pages.sections import ADMINISTRATION, NAVIGATION
from otpconv.web.pages.visitors import Visitor, Visitors

PATH = "/sign-in"


class SignInPage:
    """`/sign-in` and `/sign-out`."""

    def __init__(
        self,
        service: Service,
        bodies: Bodies,
        gate: Gate,
        *,
        layout: Layout,
        visitors: Visitors,
        expect: Callable[[], None],
    ) -> None:
        """Create the page.

        Args:
            service: knows the keys and the time.
            bodies: reads the forms.
            gate: counts failed logins.
            layout: renders the page.
            visitors: say who is signed in.
            expect: called when somebody is about to sign in.
        """
        self._expect = expect
        self._clock: Clock = service.clock
        self._keys = service.keys
        self._bodies = bodies
        self._gate = gate
        self._layout = layout
        self._visitors = visitors
        self._links = SignInLinks(service.sealer)
        self._sign_outs = service.sign_outs
        self._once = service.once

    async def show(self, request: Request) -> Response:
        """Answer the form; follow a one-time link."""
        if "token" in request.query_params and request.method == "GET":
            try:
                return await self._follow(request, request.query_params["token"])
            except Refused as error:
                return self._form(error)
        self._expect()
        after = local_path(request.query_params.get("next", ""))
        return self._form(after=after) if self._visitors.of(request) is None else _to(after)

    async def post(self, request: Request) -> Response:
        """Sign in with an access key."""
        form = await read_form(self._bodies, request)
        access_key_id, secret = _key_of(form)
        after = local_path(form.get("next", ""))
        try:
            key = self._visitors.prove(request, access_key_id, secret)
        except (BadCredentials, Throttled) as error:
            return self._form(error, after=after, access_key_id=shown_key_id(access_key_id))
        response = _to(after)
        self._visitors.sign_in(request, response, key)
        return response

    async def sign_out(self, request: Request, visitor: Visitor) -> Response:
        """End the sign-in."""
        form = await read_form(self._bodies, request)
        require_token(form, visitor.signed_in.form_token)
        response = _to(PATH)
        await self._visitors.sign_out(request, response, visitor)
        return response

    async def _follow(self, request: Request, token: str) -> Response:
        now = self._clock()
        self._gate.check(request.scope, now)
        try:
            link = self._links.open(token, now)
            key = self._keys.get(link.access_key_id)
            if link.issued_at <= key.sign_ins_after:
                raise InactiveAccessKey("The access key was disabled after this link was made.")
            used = self._sign_outs.holds(key, link.name, link.issued_at)
            if used or not await asyncio.to_thread(self._use, key, link):
                raise unusable(now)
        except BadCredentials as error:
            self._gate.failed(request.scope, now)
            self._gate.refused(error, request.scope, what="SignIn")
            raise
        self._keys.note_use(key, now)
        response = _to(HOME)
        self._visitors.sign_in(request, response, key)
        return response

    def _use(self, key: AccessKey, link: SignInLink) -> bool:
        """Record that a link is used; return False if it was used before, at this node or another one."""
        first = self._sign_outs.add(key, link.name, link.until)
        return first and self._once.use(key.account, f"sign-in link {link.name}")

    def refused(self, error: OtpconvError, after: str) -> Response:
        """Return the form with the reason why somebody was not signed in in another way."""
        return self._form(error, after=after or HOME)

    def _form(
        self, error: OtpconvError | None = None, *, after: str = HOME, access_key_id: str = ""
    ) -> Response:
        page = self._layout.page(
            "sign_in.html",
            PATH,
            None,
            status=error.status if error else HTTPStatus.OK,
            problem=error.text if error else "",
            after=after,
            access_key_id=access_key_id,
        )
        if isinstance(error, Throttled):
            page.headers["retry-after"] = str(-(-error.wait_ms // 1000))  # rounded up
        return page


def _key_of(form: dict[str, str]) -> tuple[str, str]:
    """Return the id and the secret of a form. The field of the id may also hold ID:SECRET."""
    access_key_id, _, pasted = form.get("access_key_id", "").strip().partition(":")
    return access_key_id, form.get("access_key_secret", "").strip() or pasted


def local_path(after: str) -> str:
    """Return where to go after the sign-in: one of our pages, whatever was asked for."""
    path = re.split("[?#]", after, maxsplit=1)[0]
    roots = (*(section.path for section in NAVIGATION), ADMINISTRATION)
    own = any(path == root or path.startswith(f"{root}/") for root in roots)
    return after if own and after.isprintable() and "\\" not in after and "//" not in path else HOME


def _to(path: str) -> RedirectResponse:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER, headers=HEADERS)
