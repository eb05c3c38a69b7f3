"""Who looks at a page: from the cookie to the access key, and back into a cookie."""

import asyncio
import re
from zoneinfo import ZoneInfo

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from otpconv.access.keys import AccessKey
from otpconv.errors import AccessDenied, BadCredentials, Misconfigured, Refused, Unavailable
from otpconv.service.compose import Service
from otpconv.web.front.callers import Callers, caller_of
from otpconv.web.front.gate import Gate
from otpconv.web.pages.choices import read_choices, zone_of
from otpconv.web.pages.sections import NAVIGATION, SECTIONS, Section
from otpconv.web.pages.signed_in import LONGEST_MS, SignedIn, SignIns

#: The port in a header Host, which may be anything.
_PORT = re.compile(r":([0-9]{1,5})$", re.ASCII)


class Visitor(Struct, frozen=True):
    """Somebody who is signed in.

    Attributes:
        key: the access key of the sign-in, as it is now.
        signed_in: the sign-in.
        zone: the time zone in which the visitor reads and writes times.
        pages: the pages in the navigation that the visitor may open.
        sections: the pages of administration that the visitor may open.
    """

    key: AccessKey
    signed_in: SignedIn
    zone: ZoneInfo
    pages: tuple[Section, ...] = ()
    sections: tuple[Section, ...] = ()


class Visitors:
    """Tells who is signed in, and signs in and out."""

    def __init__(self, service: Service, gate: Gate) -> None:
        """Create the finder of visitors.

        Args:
            service: knows the keys and the time.
            gate: counts calls and failed logins.
        """
        self._service = service
        self._gate = gate
        self._callers = Callers(service, gate)
        self._sign_ins = SignIns(service.sealer)

    def of(self, request: Request) -> Visitor | None:
        """Return who is signed in; None when nobody is, or the key is disabled or deleted."""
        cookie = request.cookies.get(self.cookie_name(request))
        signed_in = self._sign_ins.open(cookie, self._service.clock()) if cookie else None
        if signed_in is None:
            return None
        try:
            key = self._service.keys.visitor(signed_in.access_key_id)
        except BadCredentials:
            return None
        if not key.signs and not self._service.settings.oidc_issuer:
            return None  # the operator has removed the identity provider
        over = self._service.sign_outs.holds(key, signed_in.form_token, signed_in.since)
        if over:
            return None
        pages, sections = (
            tuple(each for each in some if not each.action or self._may(request, key, each.action))
            for some in (NAVIGATION, SECTIONS)
        )
        return Visitor(key, signed_in, zone_of(read_choices(request)), pages, sections)

    def admit(self, request: Request, action: str | None) -> Visitor:
        """Return who is signed in, if they may do `action`; None stands for what every user may.

        Raises:
            BadCredentials: nobody is signed in.
            AccessDenied: no policy allows the action, or one denies it.
            Throttled: the caller is over a limit.
        """
        visitor = self.of(request)
        if visitor is None:
            raise BadCredentials("You are not signed in, or your sign-in has expired. Sign in.")
        request.scope["otpconv.caller"] = caller_of(visitor.key)
        if action is not None:
            self.require(request, visitor, action)
        return visitor

    def require(self, request: Request, visitor: Visitor, action: str) -> None:
        """Return if a visitor may do `action`; counts as a call.

        Raises:
            AccessDenied: no policy allows the action, or one denies it.
            Throttled: the caller is over a limit.
        """
        now, key = self._service.clock(), visitor.key
        request.scope["otpconv.action"] = action
        try:
            self._gate.admit(key, action, request.scope, now)
        except Refused as error:
            self._gate.refused(error, request.scope, who=key.access_key_id, what=action)
            raise

    def refusal(self, request: Request, visitor: Visitor, action: str) -> str:
        """Return why a visitor may not do `action`, to show it beforehand; empty if they may."""
        try:
            self._gate.authorize(visitor.key, action, request.scope, self._service.clock())
        except AccessDenied as error:
            return error.text
        return ""

    def _may(self, request: Request, key: AccessKey, action: str) -> bool:
        try:
            self._gate.authorize(key, action, request.scope, self._service.clock())
        except AccessDenied:
            return False
        return True

    def prove(self, request: Request, access_key_id: str, secret: str) -> AccessKey:
        """Return the key of somebody who signs in with it.

        Raises:
            BadCredentials: the two are not those of an active key.
            Throttled: too many logins from this address failed.
        """
        try:
            return self._callers.prove(access_key_id, secret, request.scope, self._service.clock())
        except Refused as error:
            self._gate.refused(error, request.scope, who=access_key_id, what="SignIn")
            raise

    def sign_in(self, request: Request, response: Response, key: AccessKey) -> None:
        """Begin a sign-in of the holder of a key, by a cookie of the response."""
        self._set(request, response, self._sign_ins.start(key.access_key_id, self._service.clock()))

    async def sign_out(self, request: Request, response: Response, visitor: Visitor) -> None:
        """End a sign-in for good, for every copy of its cookie.

        Raises:
            Unavailable: it is over until the server restarts only, since it can't be stored.
        """
        signed_in = visitor.signed_in
        until = signed_in.since + LONGEST_MS
        try:
            await asyncio.to_thread(self._service.sign_outs.add, visitor.key, signed_in.form_token, until)
        except (Unavailable, Misconfigured) as error:
            raise Unavailable(
                "You are signed out, but only until the server restarts: it could not be stored "
                f"({error.text}). To end the sign-in for good, disable its access key."
            ) from error
        response.delete_cookie(
            self.cookie_name(request), secure=self._is_secure(request), httponly=True, samesite="lax"
        )

    def renew(self, request: Request, response: Response, visitor: Visitor) -> None:
        """Let a sign-in that is used go on."""
        renewed = self._sign_ins.renewed(visitor.signed_in, self._service.clock())
        if renewed is not None:
            self._set(request, response, renewed)

    def cookie_name(self, request: Request, end: str = "") -> str:
        """Return the name of a cookie, which no other site and no other port of this host can set.

        Args:
            request: as the client addressed it.
            end: distinguishes the cookie from that of the sign-in.
        """
        # Cookies know no ports: two servers of one machine would sign each other out.
        port = _PORT.search(request.headers.get("host", ""))
        name = f"otpconv-{port[1]}{end}" if port else f"otpconv{end}"
        return f"__Host-{name}" if self._is_secure(request) else name

    def _set(self, request: Request, response: Response, signed_in: SignedIn) -> None:
        # Lax: whoever follows a link to a page, from a chat for example, is still signed in there.
        response.set_cookie(
            self.cookie_name(request),
            self._sign_ins.seal(signed_in),
            secure=self._is_secure(request),
            httponly=True,
            samesite="lax",
        )

    def _is_secure(self, request: Request) -> bool:
        return self._gate.peers.of(request.scope).secure
