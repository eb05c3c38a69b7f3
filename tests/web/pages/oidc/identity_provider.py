"""A small OpenID Connect provider on a real socket, which can also misbehave."""

import base64
import gzip
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT_ID = "otpconv"
CLIENT_SECRET = "s3cret: of %the client"  # noqa: S105 - of a test


class IdentityProvider:
    """A provider, with one person who is always signed in.

    Attributes:
        claims: what ID tokens say besides what every one says; None leaves a claim out.
        configuration: replaces entries of what the provider publishes about itself.
        algorithm: signs ID tokens; `none` signs nothing.
        sends: replaces the ID token, unless it is `...`.
        info: what the UserInfo endpoint says; None if there is no such endpoint.
        access_token: what the token endpoint gives.
        behaves: how the endpoint at a path behaves, see `_Handler._json`.
        called: the paths that were called.
        sent: bytes of answers that left.
        tokens: the forms that came to the token endpoint.
    """

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {"email": "olga@shop.example", "email_verified": True}
        self.configuration: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.sends: object = ...
        self.info: dict[str, Any] | None = None
        self.access_token: object = "opaque"  # noqa: S105 - of a test
        self.behaves: dict[str, str] = {}
        self.sent = 0
        self.over = threading.Event()
        self.called: list[str] = []
        self.tokens: list[dict[str, str]] = []
        self.rotate()
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.issuer = f"http://127.0.0.1:{self._server.server_port}/realm"

    def rotate(self) -> None:
        """Take new keys, and forget the old ones."""
        kid = secrets.token_hex(4)
        self.rsa = RSAKey.generate_key(2048, {"kid": f"rsa-{kid}", "use": "sig"})
        self.ec = ECKey.generate_key("P-256", {"kid": f"ec-{kid}", "use": "sig"})

    @contextmanager
    def running(self) -> Iterator["IdentityProvider"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def close(self) -> None:
        """Close the socket of a provider that never ran."""
        self._server.server_close()

    def published(self) -> dict[str, Any]:
        userinfo = {} if self.info is None else {"userinfo_endpoint": f"{self.issuer}/userinfo"}
        return (
            userinfo
            | {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
            | self.configuration
        )

    def authorize(self, query: dict[str, str]) -> str:
        """Return where to send the person back to."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def redeem(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """Return the tokens for a code; None if the call is wrong in any way."""
        self.tokens.append(form)
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or self._client(form, authorization) != (CLIENT_ID, CLIENT_SECRET):
            return None
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if _base64(digest) != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return None
        token = self.id_token(asked["nonce"]) if self.sends is ... else self.sends
        return {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": 60,
            "id_token": token,
        }

    def _client(self, form: dict[str, str], authorization: str) -> tuple[str, str]:
        if "token_endpoint_auth_methods_supported" in self.configuration:
            return form["client_id"], form["client_secret"]
        kind, _, basic = authorization.partition(" ")
        user, _, password = base64.b64decode(basic).decode().partition(":")
        assert kind == "Basic"
        return unquote(user), unquote(password)

    def id_token(self, nonce: str) -> str:
        now = int(time.time())  # noqa: TID251 - a provider has a clock of its own
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "s-1",
            "nonce": nonce,
            "iat": now,
            "exp": now + 60,
        }
        claims = {name: value for name, value in (claims | self.claims).items() if value is not None}
        if self.algorithm in {"none", "HS256"}:
            return self._forged(claims)
        key = self.ec if self.algorithm.startswith("ES") else self.rsa
        header = {"alg": self.algorithm, "kid": key.kid}
        return jwt.encode(header, claims, key, algorithms=[self.algorithm])

    def _forged(self, claims: dict[str, Any]) -> str:
        """Return a token that is not signed, or signed with what everybody knows: the public key."""
        header = {"alg": self.algorithm, "kid": self.rsa.kid}
        text = f"{_base64(json.dumps(header).encode())}.{_base64(json.dumps(claims).encode())}"
        if self.algorithm == "none":
            return f"{text}."
        mac = hmac.digest(self.rsa.as_pem(private=False), text.encode(), "sha256")
        return f"{text}.{_base64(mac)}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _handler(provider: IdentityProvider) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"provider": provider})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: IdentityProvider

    def do_GET(self) -> None:
        url, provider = urlsplit(self.path), self.provider
        path = url.path.removeprefix("/realm")
        if path == "/authorize":
            query = {name: values[-1] for name, values in parse_qs(url.query).items()}
            self._answer(303, b"", {"location": provider.authorize(query)})
        elif path == "/.well-known/openid-configuration":
            self._json(path, provider.published())
        elif path == "/keys":
            keys = [key.as_dict(private=False) for key in (provider.rsa, provider.ec)]
            self._json(path, {"keys": keys})
        elif path == "/userinfo" and self.headers.get("authorization") == f"Bearer {provider.access_token}":
            self._json(path, provider.info or {})
        else:
            self._answer(404, b"")

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["content-length"])).decode()
        form = {name: values[-1] for name, values in parse_qs(text).items()}
        tokens = self.provider.redeem(form, self.headers.get("authorization", ""))
        if tokens is None:
            self._answer(400, b'{"error": "invalid_grant", "error_description": "<b>"}')
        else:
            self._json("/token", tokens)

    def _json(self, path: str, answer: dict[str, Any]) -> None:
        self.provider.called.append(path)
        body = json.dumps(answer).encode()
        match self.provider.behaves.get(path, "well"):
            case "down":
                self._answer(500, b"")
            case "hanging":
                self.provider.over.wait()
                self.close_connection = True
            case "slow":
                self._send_forever(b" ", every_s=0.1)
            case "endless":
                self._send_forever(b" " * 65_536, every_s=0)
            case "headers":
                self._answer(200, body, {f"x-{number}": "x" * 10_000 for number in range(50)})
            case "compressed":
                self._answer(200, gzip.compress(body), {"content-encoding": "gzip"})
            case "redirecting":
                self._answer(302, b"", {"location": f"{self.provider.issuer}/elsewhere"})
            case "nested":
                self._answer(200, b"[" * 100_000)
            case "cut":
                self._answer(200, body[:-1])
            case _:
                self._answer(200, body, {"content-type": "application/json"})

    def _send_forever(self, part: bytes, *, every_s: float) -> None:
        """Send the beginning of an answer that would have 100 MB."""
        self._begin(200, 100_000_000, {})
        with suppress(OSError):
            while not self.provider.over.wait(every_s):
                self.provider.sent += self.wfile.write(part)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        with suppress(OSError):
            self._begin(status, len(body), headers or {})
            self.wfile.write(body)

    def _begin(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(length), "connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
