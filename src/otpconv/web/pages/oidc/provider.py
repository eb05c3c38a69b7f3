"""An OpenID Connect provider: what it publishes, where it sends people, and what its ID tokens say."""

import asyncio
import re
import secrets
from collections.abc import Collection
from typing import Any
from urllib.parse import quote

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from otpconv.access.identities import is_private_url
from otpconv.clock import Clock
from otpconv.errors import BadCredentials, Unavailable
from otpconv.web.pages.oidc.http import ProviderCalls

#: How long the provider's configuration and keys are kept, ms; unknown keys are fetched before.
KEPT_MS = 60 * 60_000
#: How long nobody calls a provider again that has failed, ms.
FAILED_MS = 5_000
#: How far the provider's clock may be from ours, s.
SKEW_S = 60

#: Signatures by a key that only the provider has; never `none`, and never the client secret.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
#: Errors of `joserfc` for a text that is not a token, or whose signature is wrong.
_UNREADABLE = (JoseError, ValueError, TypeError, RecursionError)
#: An access token as RFC 6750 defines it.
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]{1,16384}=*")
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Flow(Struct, frozen=True, array_like=True):
    """One sign-in between the two redirects. The order of the fields is the format of its cookie.

    Attributes:
        state: comes back in the redirect, so that nobody else's redirect is accepted.
        nonce: comes back in the ID token, so that no other token is accepted.
        verifier: proves to the provider that the code is redeemed by whoever asked for it.
        after: where to go after the sign-in.
        started_at: ms.
    """

    state: str
    nonce: str
    verifier: str
    after: str
    started_at: int

    # typing.override is not in Python 3.11, hence the marker.
    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"Flow(started_at={self.started_at!r})"


class Provider:
    """An OpenID Connect provider.

    Args:
        issuer: its URL, as its ID tokens name it.
        client_id: this server's id at the provider.
        client_secret: this server's secret at the provider; empty for a client without one.
        scope: what to ask for.
        redirect_uri: where the provider sends people back to.
        clock: the time now.
    """

    def __init__(
        self,
        issuer: str,
        *,
        client_id: str,
        client_secret: str,
        scope: str,
        redirect_uri: str,
        clock: Clock,
    ) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._scope = scope
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._calls = ProviderCalls()
        self._lock = asyncio.Lock()
        self._configuration: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._fetched_at = self._failed_at = 0
        self._failure: Unavailable | None = None

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._calls.close()

    async def start(self, after: str) -> tuple[str, Flow]:
        """Return where to send somebody who wants to sign in, and the flow that begins with that.

        Raises:
            Unavailable: the provider does not answer, or its configuration can't be used.
        """
        configuration = await self._configured()
        flow = Flow(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            after=after,
            started_at=self._clock(),
        )
        url = prepare_grant_uri(
            configuration["authorization_endpoint"],
            client_id=self._client_id,
            response_type="code",
            redirect_uri=self._redirect_uri,
            scope=self._scope,
            state=flow.state,
            nonce=flow.nonce,
            code_challenge=create_s256_code_challenge(flow.verifier),
            code_challenge_method="S256",
        )
        return url, flow

    async def finish(self, flow: Flow, code: str, wanted: Collection[str]) -> dict[str, Any]:
        """Redeem an authorization code, and return the claims of the verified ID token.

        Many providers put only `sub` into the ID token, and give the other claims at their UserInfo endpoint.

        Args:
            flow: the sign-in.
            code: the authorization code.
            wanted: the claims that name the user; if the ID token lacks one, the UserInfo endpoint is asked.

        Raises:
            BadCredentials: the provider refuses the code, or the ID token is not valid for this sign-in.
            Unavailable: the provider does not answer.
        """
        configuration = await self._configured()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": flow.verifier,
        }
        methods = configuration.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        auth = None
        if self._client_secret and "client_secret_basic" in methods:
            auth = quote(self._client_id, safe=""), quote(self._client_secret, safe="")
        else:
            form["client_id"] = self._client_id
            if self._client_secret:
                form["client_secret"] = self._client_secret
        answer = await self._calls.post(configuration["token_endpoint"], form, auth)
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str):
            raise _invalid("there is none in the provider's answer")
        claims = await self._verified(id_token, flow.nonce, access_token)
        url = configuration.get("userinfo_endpoint")
        if claims.keys() >= set(wanted) or not isinstance(url, str) or not isinstance(access_token, str):
            return claims
        if not _TOKEN.fullmatch(access_token):
            raise _invalid("its access token is malformed")
        info = await self._calls.get(url, access_token)
        if info.get("sub") != claims["sub"]:
            raise BadCredentials(
                "The identity provider described another person than its ID token. Sign in again."
            )
        return claims | {name: info[name] for name in wanted if name in info}

    async def _verified(self, id_token: str, nonce: str, access_token: object) -> dict[str, Any]:
        try:
            token = self._decoded(id_token)
        except _UNREADABLE:
            # The provider may have changed its keys since they were fetched.
            await self._configured(again=True)
            try:
                token = self._decoded(id_token)
            except _UNREADABLE as error:
                raise _invalid(f"its signature is wrong ({type(error).__name__})") from None
        claims = CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": self._client_id},
            },
            {"nonce": nonce, "client_id": self._client_id, "access_token": access_token},
        )
        try:
            claims.validate(now=self._clock() // 1000, leeway=SKEW_S)
        except JoseError as error:
            raise _invalid(getattr(error, "description", "") or type(error).__name__) from None
        except (TypeError, ValueError, AttributeError):
            raise _invalid("a claim has a wrong type") from None
        return dict(token.claims)

    def _decoded(self, id_token: str) -> jwt.Token:
        return jwt.decode(id_token, self._keys or KeySet([]), algorithms=list(_ALGORITHMS))

    async def _configured(self, *, again: bool = False) -> dict[str, Any]:
        """Return what the provider publishes about itself, and keep its keys; one fetch at a time."""
        asked_at = self._clock()
        async with self._lock:
            now = self._clock()
            fresh = 0 <= now - self._fetched_at < KEPT_MS
            if self._configuration and fresh and not (again and self._fetched_at <= asked_at):
                return self._configuration
            if self._failure is not None and 0 <= now - self._failed_at < FAILED_MS:
                raise Unavailable(self._failure.text)
            try:
                await self._fetch()
            except Unavailable as error:
                self._failure, self._failed_at = error, self._clock()
                raise
            self._failure, self._fetched_at = None, self._clock()
            return self._configuration

    async def _fetch(self) -> None:
        configuration = await self._calls.get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if configuration.get("issuer") != self.issuer:
            raise _unusable(f"it names another issuer than the setting oidc_issuer, {self.issuer}")
        for name in _ENDPOINTS:
            if not isinstance(configuration.get(name), str) or not is_private_url(configuration[name]):
                raise _unusable(f"{name} is not an https:// URL")
        keys = await self._calls.get(configuration["jwks_uri"])
        try:
            self._keys = KeySet.import_key_set(keys)  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError):
            raise _unusable("its keys can't be read") from None
        self._configuration = configuration


def _invalid(why: str) -> BadCredentials:
    return BadCredentials(
        f"The ID token of the identity provider is not valid for this sign-in: {why}. Sign in again."
    )


def _unusable(why: str) -> Unavailable:
    return Unavailable(
        f"The identity provider's configuration can't be used: {why}. Ask the operator to check the settings "
        "that begin with oidc_."
    )
