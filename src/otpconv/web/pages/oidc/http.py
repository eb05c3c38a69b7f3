"""Calls of the identity provider, bounded in time, bytes and number."""

import asyncio
import ssl
from typing import Any

import httpx
import msgspec

from otpconv.access.identities import is_private_url
from otpconv.errors import BadCredentials, Unavailable

#: How long a call may take, s.
CALL_S = 10.0
#: How long the provider may take to accept a connection, or to send its next bytes, s.
STEP_S = 5.0
#: Bytes of an answer; documents with the keys of a provider have some KB.
MAX_ANSWER_BYTES = 256 * 1024
#: Calls at the same time; the sign-ins of a morning come one after another.
MAX_CALLS = 20

_OK = 200
_CLIENT_ERRORS = range(400, 500)
_TOO_MANY = 429


class ProviderCalls:
    """Calls an identity provider."""

    def __init__(self) -> None:
        # No proxy from the environment, no redirects: the answer comes from the provider, or there is none.
        self._client = httpx.AsyncClient(
            verify=ssl.create_default_context(),
            timeout=STEP_S,
            follow_redirects=False,
            trust_env=False,
            headers={"accept": "application/json", "accept-encoding": "identity"},
            # No connection is kept: sign-ins are rare, and a kept one may be closed just when it is used.
            limits=httpx.Limits(max_connections=MAX_CALLS, max_keepalive_connections=0),
        )
        self._running = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, url: str, access_token: str = "") -> dict[str, Any]:
        """Return the JSON object at a URL.

        Args:
            url: where it is.
            access_token: goes into the header Authorization; empty for what everybody may read.

        Raises:
            Unavailable: the provider does not give one in time.
        """
        headers = {"authorization": f"Bearer {access_token}"} if access_token else {}
        return await self._call("GET", url, headers=headers)

    async def post(
        self, url: str, form: dict[str, str], auth: tuple[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the JSON object that answers a form.

        Args:
            url: where the form goes.
            form: its fields.
            auth: user and password of HTTP Basic authentication.

        Raises:
            BadCredentials: the provider refuses the form.
            Unavailable: the provider gives no answer in time.
        """
        return await self._call("POST", url, data=form, auth=auth)

    async def _call(self, method: str, url: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
        if not is_private_url(url):
            raise _failed("it names an address without HTTPS")
        if self._running >= MAX_CALLS:
            raise Unavailable("Too many people are signing in at once. Try again in some seconds.")
        self._running += 1
        try:
            async with asyncio.timeout(CALL_S), self._client.stream(method, url, **more) as response:
                body = await _body(response)
        except TimeoutError:
            raise _failed(f"it did not answer within {CALL_S:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _failed(type(error).__name__) from None
        finally:
            self._running -= 1
        status = response.status_code
        if method == "POST" and status in _CLIENT_ERRORS and status != _TOO_MANY:
            raise BadCredentials(f"The identity provider refused the sign-in ({_code(body)}). Sign in again.")
        if status != _OK:
            raise _failed(f"it answered {status}")
        return _object(body)


async def _body(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _failed("its answer is compressed, although that was not asked for")
    body = b""
    async for part in response.aiter_raw():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise _failed(f"its answer has over {MAX_ANSWER_BYTES // 1024} KiB")
    return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _failed("its answer is not a JSON object") from None


def _code(body: bytes) -> str:
    """Return the error code of an answer, if it has one; never its description, which may hold anything."""
    try:
        code = msgspec.json.decode(body, type=dict[str, Any]).get("error")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        code = None
    known = isinstance(code, str) and code.replace("_", "").isalnum() and len(code) < 50  # noqa: PLR2004
    return str(code) if known else "without a code"


def _failed(why: str) -> Unavailable:
    return Unavailable(
        f"The identity provider can't be used now: {why}. Try again later, or sign in with an access key."
    )
