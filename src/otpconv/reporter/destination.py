"""Where reports go: what an endpoint means, and the transport that brings them there."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from otpconv.clock import Clock
from otpconv.reporter import environment
from otpconv.reporter.brokers import broker_transport
from otpconv.reporter.brokers.address import SCHEMES
from otpconv.reporter.credentials import Credentials, Provider
from otpconv.reporter.native import NativeTransport
from otpconv.reporter.sms_conversion import SmsConversionTransport
from otpconv.reporter.transport import Transport

Dialect = Literal["native", "alibaba"]

#: In place of a spool's folder: keep everything in memory.
MEMORY = ":memory:"

_VENDOR = "aliyuncs.com"


def url_of(endpoint: str | None, region: str | None) -> str:
    """Return the URL of an endpoint, which may be a bare host, or of the vendor's endpoint in a region.

    Raises:
        ValueError: neither is given, or it is no URL that reports can go to.
    """
    text = endpoint or (f"dysmsapi.{region}.{_VENDOR}" if region else environment.endpoint())
    if text is not None and not isinstance(text, str):
        raise TypeError(f"endpoint is a text, not {text!r}")
    if text is None:
        raise ValueError("no endpoint: give endpoint= or set OTPCONV_ENDPOINT, as http://127.0.0.1:8080")
    url = urlsplit(text if "://" in text else f"https://{text}")
    if url.scheme not in {"http", "https", *SCHEMES} or not url.hostname:
        raise ValueError(f"no endpoint: {text!r} is not http(s)://HOST, or the URL of a broker")
    return url.geturl()


def is_broker(url: str) -> bool:
    """Tell whether reports to this URL are published to a broker."""
    return urlsplit(url).scheme in SCHEMES


def dialect_of(url: str) -> Dialect:
    """Return what is spoken at this URL, when nobody says: the vendor's own hosts know SmsConversion only."""
    host = urlsplit(url).hostname or ""
    return "alibaba" if host == _VENDOR or host.endswith(f".{_VENDOR}") else "native"


def spool_of(url: str, given: str | Path | None) -> Path | None:
    """Return the folder for reports to this URL, by default each has its own; None is memory."""
    at = given if given is not None else environment.spool()
    if str(at) == MEMORY:
        return None
    parts = urlsplit(url)
    host = f"{parts.hostname}_{parts.port}" if parts.port else str(parts.hostname)
    return (Path(at) if at is not None else Path("otpconv-spool") / host).absolute()


def provider_of(url: str, dialect: Dialect, key_id: str | None, secret: str | None, token: str) -> Provider:
    """Return what tells who is calling, as given or as the environment says.

    Raises:
        ValueError: neither says, and the destination wants to know; or it takes no temporary credentials.
    """
    given = (key_id, secret, token) if key_id and secret else environment.access_key()
    if given is None:
        if not is_broker(url):
            raise ValueError(
                "no access key: give access_key_id= and access_key_secret=, "
                "or set OTPCONV_ACCESS_KEY_ID and OTPCONV_ACCESS_KEY_SECRET"
            )
        given = ("", "", "")
    if given[2] and dialect == "native" and not is_broker(url):
        raise ValueError("a security token is for signed calls: give dialect='alibaba' with it")
    credentials = Credentials(*given)
    return lambda: credentials


def transport_of(
    url: str, dialect: Dialect, credentials: Provider, clock: Clock, *, timeout_ms: int, concurrency: int
) -> Callable[[], Transport]:
    """Return what makes transports to this URL, in each process anew."""
    if is_broker(url):
        return lambda: broker_transport(url, timeout_ms=timeout_ms)
    if dialect == "native":
        return lambda: NativeTransport(url, credentials, timeout_ms, clock)
    return lambda: SmsConversionTransport(url, credentials, timeout_ms, clock, concurrency)
