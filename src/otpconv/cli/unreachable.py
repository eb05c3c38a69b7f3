"""What to tell somebody whose server did not answer."""

import ssl
from urllib.parse import urlsplit

import httpx

from otpconv.delivery import tls_failure
from otpconv.errors import Misconfigured, OtpconvError, Unavailable

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def unreachable(endpoint: str, error: Exception) -> OtpconvError:
    """Return the error to raise for a request without an answer.

    Args:
        endpoint: the URL of the server.
        error: what httpx or the reporter raised.

    Returns:
        `Misconfigured` where trying again can't help, as with a certificate; else `Unavailable`.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Misconfigured(f"{endpoint} can't be used: {tls_failure.describe(cause)}")
        cause = cause.__cause__ or cause.__context__
    connected = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError)
    return Unavailable(f"{endpoint} can't be reached ({error}): {advice(endpoint, connected=connected)}")


def advice(endpoint: str, *, connected: bool) -> str:
    """Return what to do about a server that does not answer.

    Args:
        endpoint: the URL of the server.
        connected: whether something listens there.
    """
    url = urlsplit(endpoint)
    if connected and url.scheme == "http":
        return "something listens there; if it serves HTTPS, use https:// in --endpoint"
    if url.hostname in _LOOPBACK and not connected:
        return "run `otpconv serve`, or give --endpoint"
    return "check --endpoint, and that the server runs"
