"""The two addresses of a sign-in through an identity provider."""

import hmac
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from msgspec import MsgspecError, msgpack
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from otpconv.access.identities import needed_claims, user_of_identity
from otpconv.access.keys import AccessKey
from otpconv.access.nonces import NonceGuard
from otpconv.access.sealing import from_text, to_text
from otpconv.clock import Clock
from otpconv.config import Settings
from otpconv.errors import (
    BadCredentials,
    Misconfigured,
    OtpconvError,
    Refused,
    ReplayedNonce,
    StaleTimestamp,
    Throttled,
    UnknownAccessKey,
)
from otpconv.service.changes import Change
from otpconv.service.compose import Service
from otpconv.web.front.gate import Gate
from otpconv.web.pages.layout import HEADERS
from otpconv.web.pages.oidc.provider import Flow, Provider
from otpconv.web.pages.visitors import Visitors

START_PATH: Final = "/sign-in/provider"
CALLBACK_PATH: Final = "/sign-in/provider/callback"

#: How long somebody may take to sign in at the provider, ms.
FLOW_MS: Final = 10 * 60_000
#: Characters of the cookie between the two redirects; ours have some 500.
MAX_COOKIE_CHARS: Final = 4_096
#: Sign-ins that are remembered, so that none is completed twice.
MAX_COMPLETED: Final = 10_000
#: Characters of an authorization code.
MAX_CODE_CHARS: Final = 4_096

_CONTEXT = b"identity provider"
#: The end of the cookie's name.
_COOKIE = "-provider"


class ProviderPage:
    """`/sign-in/provider`, which leads to the provider, and where the provider leads back to."""

    def __init__(
        self,
        service: Service,
        gate: Gate,
        *,
        visitors: Visitors,
        provider: Provider,
        local: Callable[[str], str],
        refused: Callable[[OtpconvError, str], Response],
    ) -> None:
        """Create the addresses.

        Args:
            service: knows the users and the settings, and seals the cookie.
            gate: counts and records refusals.
            visitors: signs in.
            provider: the identity provider.
            local: turns where somebody wants to go after the sign-in into one of our pages.
            refused: makes the page that says why nobody was signed in.
        """
        self._service = service
        self._gate = gate
        self._visitors = visitors
        self._provider = provider
        self._local = local
        self._refused = refused
        self._completed = NonceGuard(MAX_COMPLETED)

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._provider.close()

    async def start(self, request: Request) -> Response:
        """Send somebody to the provider."""
        after = self._local(request.query_params.get("next", ""))
        try:
            self._gate.check(request.scope, self._service.clock())
            url, flow = await self._provider.start(after)
        except OtpconvError as error:
            return self._refused(error, after)
        response = RedirectResponse(url, HTTPStatus.SEE_OTHER, headers=HEADERS)
        response.set_cookie(
            self._visitors.cookie_name(request, _COOKIE),
            to_text(self._service.sealer.seal(msgpack.encode(flow), _CONTEXT)),
            max_age=FLOW_MS // 1000,
            secure=self._gate.peers.of(request.scope).secure,
            httponly=True,
            samesite="lax",  # the provider's redirect brings it back
        )
        return response

    async def callback(self, request: Request) -> Response:
        """Sign in whoever comes back from the provider."""
        now = self._service.clock()
        flow: Flow | None = None
        try:
            self._gate.check(request.scope, now)
            flow = self._flow(request, now)
            key, subject = await self._identified(request, flow)
            response: Response = RedirectResponse(flow.after, HTTPStatus.SEE_OTHER, headers=HEADERS)
            await self._service.administration.note(self._change(request, key, subject))
            self._visitors.sign_in(request, response, key)
        except OtpconvError as error:
            if isinstance(error, Refused) and not isinstance(error, Throttled):
                if flow is not None:  # any site can send somebody here, and must not lock them out
                    self._gate.failed(request.scope, now)
                self._gate.refused(error, request.scope, what="SignIn")
            response = self._refused(error, flow.after if flow else "")
        response.delete_cookie(
            self._visitors.cookie_name(request, _COOKIE),
            secure=self._gate.peers.of(request.scope).secure,
            httponly=True,
            samesite="lax",
        )
        return response

    def _flow(self, request: Request, now: int) -> Flow:
        flow = self._opened(request.cookies.get(self._visitors.cookie_name(request, _COOKIE), ""))
        state = request.query_params.get("state", "").encode("utf-8", "surrogatepass")
        if flow is None or not hmac.compare_digest(state, flow.state.encode()):
            raise BadCredentials(
                "This answer of the identity provider belongs to no sign-in that began in this browser. Sign "
                "in again."
            )
        if not 0 <= now - flow.started_at < FLOW_MS:
            raise BadCredentials(f"The sign-in took longer than {FLOW_MS // 60_000} minutes. Sign in again.")
        try:
            self._completed.admit("", flow.state, flow.started_at, now)
        except (ReplayedNonce, StaleTimestamp):
            raise BadCredentials("This sign-in was completed before. Sign in again.") from None
        return flow

    def _opened(self, cookie: str) -> Flow | None:
        if not cookie or len(cookie) > MAX_COOKIE_CHARS:
            return None
        try:
            return msgpack.decode(self._service.sealer.open(from_text(cookie), _CONTEXT), type=Flow)
        except (ValueError, Misconfigured, MsgspecError):
            return None

    async def _identified(self, request: Request, flow: Flow) -> tuple[AccessKey, str]:
        """Return who somebody is, and the subject of the identity."""
        given = request.query_params
        # RFC 9207: another provider's answer must not be taken for this one's.
        if given.get("iss", self._provider.issuer) != self._provider.issuer:
            raise BadCredentials("This answer comes from another identity provider. Sign in again.")
        code = given.get("code", "")
        if "error" in given or not 0 < len(code) <= MAX_CODE_CHARS:
            raise BadCredentials(
                "The identity provider did not sign you in: you cancelled, or it did not allow it. Sign in "
                "again, or use an access key."
            )
        claims = await self._provider.finish(flow, code, needed_claims(self._service.settings.oidc_claim))
        return self._user(claims), str(claims["sub"])

    def _user(self, claims: dict[str, object]) -> AccessKey:
        settings, keys = self._service.settings, self._service.keys
        account = settings.oidc_account
        name = user_of_identity(
            claims,
            settings.oidc_claim,
            settings.oidc_mapping(),
            lambda name: keys.person(account, name) is not None,
        )
        person = keys.person(account, name)
        if person is None:
            raise UnknownAccessKey(f"The user {name} has just been deleted. Ask the operator.")
        return person

    def _change(self, request: Request, key: AccessKey, subject: str) -> Change:
        return Change(
            key=key,
            what="SignIn",
            subject=f"sub {subject}",
            source_ip=self._gate.peers.of(request.scope).source_ip,
            request_id=request.scope.get("otpconv.request_id", ""),
        )


def provider_of(settings: Settings, public_url: str, clock: Clock) -> Provider:
    """Return the identity provider of the settings.

    Args:
        settings: name the provider in `oidc_issuer`.
        public_url: the URL of this server, without a slash at the end.
        clock: the time now.

    Raises:
        Misconfigured: a setting is missing.
    """
    if not settings.oidc_client_id:
        raise Misconfigured("setting oidc_client_id: give the client id of this server at the provider")
    secret = settings.oidc_client_secret
    return Provider(
        settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=secret.get_secret_value() if secret else "",
        scope=settings.oidc_scope,
        redirect_uri=f"{public_url}{CALLBACK_PATH}",
        clock=clock,
    )
