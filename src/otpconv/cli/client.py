"""Talking to a server over HTTP, for the sub-commands that do."""

import ssl
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import msgspec

from otpconv.cli.unreachable import unreachable
from otpconv.delivery import environment
from otpconv.delivery.credentials import Credentials, complete
from otpconv.errors import Misconfigured, OtpconvError, Refused, Unavailable

#: How long an answer may take, s. Imports send large batches.
_TIMEOUT_S = 60.0
_OPTIONS = ("--access-key-id", "--access-key-secret")
#: The administrator's key that a server leaves in its folder when it first starts.
_FIRST_KEY = "otpconv-data/first-key"


class Client:
    """The native API and the RPC endpoint of one server, with one access key."""

    def __init__(
        self,
        endpoint: str,
        access_key_id: str | None,
        access_key_secret: str | None,
        key_file: Path | None = None,
    ) -> None:
        """Prepare calls to a server.

        Args:
            endpoint: the server's URL.
            access_key_id: who is calling; half a key is completed from the environment.
            access_key_secret: of the same key.
            key_file: a file that holds the key as ID:SECRET instead. Default: the key of the environment, the
                file that OTPCONV_KEY_FILE names, or the first key of a server in this folder.

        Raises:
            Misconfigured: no access key is given, or half of one, or one in two places.
        """
        self.endpoint = endpoint.rstrip("/")
        key = _credentials(access_key_id or "", access_key_secret or "", key_file)
        self.access_key_id, self.access_key_secret = key.access_key_id, key.access_key_secret
        self.security_token = key.security_token
        # To load the authorities takes 20 ms; a context without any trusts nobody.
        is_tls = self.endpoint.lower().startswith("https:")
        verify = True if is_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.http = httpx.Client(
            base_url=self.endpoint, timeout=_TIMEOUT_S, follow_redirects=False, verify=verify
        )
        weakref.finalize(self, self.http.close)

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | list[str]] | None = None,
        body: object = None,
    ) -> Any:  # noqa: ANN401 - JSON is anything
        """Call the native API and return its JSON.

        Raises:
            Refused: the server refuses the call; the text is the server's.
            Unavailable: the server can't be reached, or says to come again.
        """
        return self.fields(self._answer(method, path, params, body))

    def text(self, path: str, params: Mapping[str, str | list[str]]) -> str:
        """Ask the native API and return the text it answers.

        Raises:
            Refused: the server refuses the call; the text is the server's.
            Unavailable: the server can't be reached, or says to come again.
        """
        response = self._answer("GET", path, params, None)
        if not response.is_success:
            self.fields(response)
        return response.text

    def download(self, path: str, params: Mapping[str, str | list[str]], stream: BinaryIO) -> None:
        """Ask the native API and write what it answers to a stream, part by part.

        Raises:
            Refused: the server refuses the call; the text is the server's.
            Unavailable: the server can't be reached, or says to come again.
        """
        key = httpx.BasicAuth(self.access_key_id, self.access_key_secret)
        try:
            with self.http.stream("GET", path, params=params, auth=key) as response:
                if not response.is_success:
                    response.read()
                    self.fields(response)
                stream.writelines(response.iter_bytes())
        except httpx.HTTPError as error:
            raise unreachable(self.endpoint, error) from error

    def _answer(
        self, method: str, path: str, params: Mapping[str, str | list[str]] | None, body: object
    ) -> httpx.Response:
        return self.send(
            httpx.Request(
                method,
                f"{self.endpoint}{path}",
                params=params,
                content=None if body is None else msgspec.json.encode(body),
                headers={"content-type": "application/json"},
            ),
            auth=(self.access_key_id, self.access_key_secret),
        )

    def fields(self, response: httpx.Response) -> Any:  # noqa: ANN401 - JSON is anything
        """Return the JSON of an answer.

        Raises:
            Refused: the answer is an error, or no JSON.
            Unavailable: the answer is an error of the server's.
        """
        try:
            answer = msgspec.json.decode(response.content)
        except msgspec.DecodeError:
            where = response.headers.get("location", "")
            hint = (
                f"it redirects to {where}; give that server's URL as --endpoint"
                if where
                else "check --endpoint"
            )
            raise Refused(
                f"{self.endpoint} does not answer like an otpconv server"
                f" (HTTP {response.status_code}): {hint}"
            ) from None
        if response.is_success:
            return answer
        raise _refusal(response.status_code, answer)

    def send(self, request: httpx.Request, auth: tuple[str, str] | None = None) -> httpx.Response:
        """Send one request as it is.

        Raises:
            Misconfigured: the server's certificate is not trusted, or it does not speak TLS.
            Unavailable: the server can't be reached.
        """
        try:
            return self.http.send(request, auth=httpx.BasicAuth(*auth) if auth else None)
        except httpx.HTTPError as error:
            raise unreachable(self.endpoint, error) from error


def _credentials(access_key_id: str, access_key_secret: str, key_file: Path | None) -> Credentials:
    if key_file is not None and (access_key_id or access_key_secret):
        raise Misconfigured(
            "--key-file can't be combined with --access-key-id and --access-key-secret:"
            " give the file or the key"
        )
    if key_file is None:
        given = Credentials(access_key_id, access_key_secret)
        try:
            key = complete(given, environment.credentials(), _OPTIONS)
        except ValueError as error:
            raise Misconfigured(str(error)) from None
        if key is not None:
            return key
        key_file = Path(environment.key_file() or _FIRST_KEY)
    return _of_file(key_file)


def _of_file(key_file: Path) -> Credentials:
    try:
        user, _, secret = key_file.read_text().strip().partition(":")
    except (OSError, UnicodeDecodeError):
        user = secret = ""
    if not user or not secret:
        raise Misconfigured(
            f"no access key: set OTPCONV_ACCESS_KEY_ID and OTPCONV_ACCESS_KEY_SECRET, or give --key-file"
            f" ({key_file} does not contain ID:SECRET)"
        )
    return Credentials(user, secret)


def _refusal(status: int, answer: Any) -> OtpconvError:  # noqa: ANN401 - JSON is anything
    fields = answer if isinstance(answer, dict) else {}
    text = f"{fields.get('code') or fields.get('Code')}: {fields.get('detail') or fields.get('Message')}"
    return Unavailable(text) if status >= httpx.codes.INTERNAL_SERVER_ERROR else Refused(text)
