"""Where reports go: what an endpoint means, and the transport that brings them there."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from otpconv.clock import Clock
from otpconv.delivery import environment
from otpconv.delivery.brokers.address import SCHEMES
from otpconv.delivery.credentials import ARGUMENTS, VARIABLES, Credentials, Provider, complete
from otpconv.delivery.transport import Transport

Dialect = Literal["native", "alibaba"]

#: In place of a spool's folder: keep everything in memory.
MEMORY = ":memory:"

#: Stands for the endpoint of a disabled reporter, which sends nothing.
NOWHERE = "http://disabled.invalid"

_VENDOR = "aliyuncs.com"

_log = logging.getLogger(__name__)


def url_of(endpoint: str | None, region: str | None) -> str:
    """Return the URL of an endpoint, which may be a bare host, or of the vendor's endpoint in a region.

    Raises:
        TypeError: the endpoint is not a string.
        ValueError: neither is given, or both are, or it is not a URL that reports can be sent to.
    """
    if endpoint and region:
        raise ValueError("endpoint= and region= are both given: region= means the vendor's own, give one")
    text = endpoint or (f"dysmsapi.{region}.{_VENDOR}" if region else environment.endpoint())
    if text is not None and not isinstance(text, str):
        raise TypeError(f"endpoint is a text, not {text!r}")
    if text is None:
        raise ValueError(
            "no endpoint: give endpoint= or set OTPCONV_ENDPOINT, e.g. http://127.0.0.1:8080;"
            " disabled=True reports nothing"
        )
    url = urlsplit(text if "://" in text else f"https://{text}")
    if url.scheme not in {"http", "https", *SCHEMES} or not url.hostname:
        # What may be a password stays out of the text.
        shown = repr(text) if "@" not in text else "it"
        raise ValueError(f"no endpoint: {shown} is not http(s)://HOST, or the URL of a broker")
    if url.port == 0:  # a port that is not a number raises ValueError by itself
        raise ValueError(f"no endpoint: nothing listens on port 0 of {url.hostname}")
    if url.username is not None and url.scheme not in SCHEMES:
        raise ValueError("the endpoint holds a user: give access_key_id= and access_key_secret= instead")
    return url.geturl()


def nowhere(endpoint: str | None, region: str | None) -> str:
    """Return what stands for the URL of a disabled reporter, and log that nothing is reported."""
    given = endpoint or region or environment.endpoint()
    why = "as disabled=True says" if given else "no endpoint; give endpoint= or set OTPCONV_ENDPOINT"
    _log.warning("the reporter is disabled, nothing is reported: %s", why)
    return NOWHERE


def is_broker(url: str) -> bool:
    """Return whether reports to this URL are published to a broker."""
    return urlsplit(url).scheme in SCHEMES


def dialect_of(url: str) -> Dialect:
    """Return the dialect of this URL if none is given: the vendor's own hosts know only SmsConversion."""
    host = urlsplit(url).hostname or ""
    return "alibaba" if host == _VENDOR or host.endswith(f".{_VENDOR}") else "native"


def spool_of(url: str, given: str | Path | None) -> Path | None:
    """Return the folder for reports to this URL, by default each has its own; None is memory."""
    at = given if given is not None else environment.spool()
    if str(at) == MEMORY or url == NOWHERE:
        return None
    parts = urlsplit(url)
    host = f"{parts.hostname}_{parts.port}" if parts.port else str(parts.hostname)
    return (Path(at) if at is not None else Path("otpconv-spool") / host).absolute()


def provider_of(
    url: str,
    dialect: Dialect,
    provider: Provider | None,
    *given: str | None,
) -> Provider:
    """Return what tells who is calling, by arguments and the environment.

    Args:
        url: where reports go.
        dialect: the dialect of the endpoint.
        provider: returns the credentials instead; None if the other arguments hold them.
        given: access key id, secret and security token; None and empty mean that it is not given.

    Raises:
        TypeError: a part is not a string.
        ValueError: half a key is missing, or all of it where it is needed; or a token can't be used there.
    """
    if url == NOWHERE:
        return lambda: Credentials("", "")
    for name, part in zip(ARGUMENTS, given, strict=True):
        if part is not None and not isinstance(part, str):
            raise TypeError(f"{name} takes a text, not {type(part).__name__}")
        if part and provider is not None:
            raise ValueError(f"credentials= takes the place of {name}: give one of them")
    if provider is not None:
        return provider
    if is_broker(url):
        # A broker's URL says who is calling.
        return lambda: Credentials("", "")
    credentials = complete(Credentials(*(part or "" for part in given)), environment.credentials())
    if credentials is None:
        raise ValueError(
            "no access key: give access_key_id= and access_key_secret=, "
            "or set OTPCONV_ACCESS_KEY_ID and OTPCONV_ACCESS_KEY_SECRET"
        )
    if credentials.security_token and dialect == "native":
        name = ARGUMENTS[2] if given[2] else VARIABLES[2]
        raise ValueError(f"a security token ({name}) is for signed calls: give dialect='alibaba' with it")
    return lambda: credentials


def transport_of(
    url: str, dialect: Dialect, credentials: Provider, clock: Clock, *, timeout_ms: int, concurrency: int
) -> Callable[[], Transport]:
    """Return a function that makes transports to this URL; each process makes its own.

    The transport's module is imported here, so that importing the reporter stays cheap. The function does not
    import: a child that is forked while a thread imports waits for the lock of that import forever.
    """
    if is_broker(url):
        from otpconv.delivery.brokers.transport import broker_transport  # noqa: PLC0415 - see above

        return lambda: broker_transport(url, timeout_ms=timeout_ms)
    if dialect == "native":
        from otpconv.delivery.native import NativeTransport  # noqa: PLC0415 - see above

        return lambda: NativeTransport(url, credentials, timeout_ms, clock)
    from otpconv.delivery.sms_conversion import SmsConversionTransport  # noqa: PLC0415 - see above

    return lambda: SmsConversionTransport(url, credentials, timeout_ms, clock, concurrency)
