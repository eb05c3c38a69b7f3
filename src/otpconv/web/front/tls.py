"""The server's own certificate, which may be renewed while it runs, and whether plain HTTP is a risk."""

import logging
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from msgspec import Struct
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from otpconv.clock import iso_8601
from otpconv.config import Settings
from otpconv.errors import Misconfigured

#: How often the files are read, s. A renewal counts when two reads in a row agree.
READ_EVERY_S = 1.0
_DAY_MS = 86_400_000
#: Warnings begin this long before a certificate expires, ms, or in the last fifth of its life if that is
#: shorter.
_WARN_MS = 14 * _DAY_MS
_WARN_SHARE = 5
#: Bytes of a file; a certificate with its chain has some KB.
_MAX_BYTES = 256 * 1024

_log = logging.getLogger(__name__)


class Pair(Struct, frozen=True):
    """A certificate that can be served, as it was read.

    Attributes:
        chain: the certificate and those that clients need with it, PEM.
        key: its private key, PEM; never shown by `repr`.
        begins_at: ms.
        expires_at: ms.
    """

    chain: bytes
    key: bytes
    begins_at: int
    expires_at: int

    # typing.override is not in Python 3.11, hence the marker.
    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return f"Pair(expires_at={self.expires_at!r})"


class Tls:
    """The certificate that is served, and the files where it is renewed.

    Args:
        cert: the PEM file of the certificate and its chain.
        key: the PEM file of its private key.

    Attributes:
        served: the certificate in use.

    Raises:
        Misconfigured: a file is missing or unreadable, or they don't fit together.
    """

    def __init__(self, cert: Path, key: Path) -> None:
        self._files = cert, key
        self.served = _pair(*self._files, *self._read())
        self._seen = self.served.chain, self.served.key
        self._refused: tuple[bytes, bytes] | str = ""
        self._warn_at = 0

    def renewed(self, now: int) -> Pair | None:
        """Return another pair that the files hold, if it can be served; logs once why one can't.

        Programs that renew certificates write the two files one after the other, so what they hold counts
        when it is the same at two calls: call it each second.

        Args:
            now: ms.
        """
        try:
            found = self._read()
        except Misconfigured as error:
            self._refuse(error.text, error.text)
            return None
        seen, self._seen = self._seen, found
        if found != seen or found == (self.served.chain, self.served.key):
            return None
        try:
            pair = _pair(*self._files, *found)
        except Misconfigured as error:
            self._refuse(found, error.text)
            return None
        if not pair.begins_at <= now < pair.expires_at:
            when = "expired at" if now >= pair.expires_at else "is not valid before"
            at = iso_8601(min(pair.expires_at, max(now, pair.begins_at)))
            self._refuse(found, f"the certificate in {self._files[0]} {when} {at}")
            return None
        return pair

    def serve(self, pair: Pair) -> None:
        """Note that another pair is served from now on."""
        self.served, self._warn_at = pair, 0
        _log.info("serving the renewed certificate, valid until %s", iso_8601(pair.expires_at))

    def refuse(self, pair: Pair, why: str) -> None:
        """Note that the server can't serve a pair, so that it is not tried again."""
        self._seen = b"", b""
        self._refuse((pair.chain, pair.key), why)

    def warn(self, now: int) -> None:
        """Log once a day that the certificate expires soon, or has expired."""
        pair = self.served
        left = pair.expires_at - now
        soon = min(_WARN_MS, (pair.expires_at - pair.begins_at) // _WARN_SHARE)
        if left < soon and now >= self._warn_at:
            self._warn_at = now + _DAY_MS
            what = "expires" if left > 0 else "expired"
            _log.warning(
                "the certificate in %s %s at %s: renew it; the new files are served without a restart",
                self._files[0],
                what,
                iso_8601(pair.expires_at),
            )

    def _read(self) -> tuple[bytes, bytes]:
        cert, key = self._files
        return _content("tls_cert", cert), _content("tls_key", key)

    def _refuse(self, what: tuple[bytes, bytes] | str, why: str) -> None:
        if self._refused != what:
            self._refused = what
            _log.error("the certificate was not renewed, the one before is still served: %s", why)


def own_tls(settings: Settings) -> Tls | None:
    """Return the certificate the settings name, once it is sure that it can be served; None without one.

    Raises:
        Misconfigured: one of the two files is not set, missing or unreadable, or they don't fit together.
    """
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        given, lacking = ("tls_key", "tls_cert") if cert is None else ("tls_cert", "tls_key")
        raise Misconfigured(f"{given} is set and {lacking} is not: TLS takes both, or neither")
    return Tls(cert, key)


@contextmanager
def as_file(content: bytes) -> Iterator[str]:
    """Give bytes a path for libraries that read nothing else, without writing a secret to a disk."""
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("pem"), "wb", buffering=0) as memory:
            memory.write(content)
            yield f"/proc/self/fd/{memory.fileno()}"
    else:
        with tempfile.NamedTemporaryFile(buffering=0) as file:
            file.write(content)
            yield file.name


def _content(setting: str, file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
    except OSError as error:
        raise Misconfigured(f"{setting}: {file} can't be read: {error.strerror}") from None
    if len(content) > _MAX_BYTES:
        raise Misconfigured(
            f"{setting}: {file} is over {_MAX_BYTES // 1024} KiB: it is not a certificate or key"
        )
    return content


def _pair(cert: Path, key: Path, chain: bytes, secret: bytes) -> Pair:
    """Return what two files hold, once it is sure that it can be served."""
    try:
        with as_file(chain) as chain_path, as_file(secret) as key_path:
            # With an empty passphrase an encrypted key fails; without one OpenSSL asks on the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain_path, key_path, password="")
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "not PEM"
        raise Misconfigured(
            f"{cert} and {key} must be a PEM certificate and its matching, unencrypted private key ({reason})"
        ) from None
    begins_at, expires_at = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    return Pair(chain, secret, int(begins_at) * 1000, int(expires_at) * 1000)


def is_exposed(settings: Settings) -> bool:
    """Return whether secrets may cross a network in clear: plain HTTP, beyond this machine, no proxy."""
    if settings.tls_cert is not None or settings.require_tls or settings.trusted_proxies:
        return False
    if settings.host == "localhost":
        return False
    try:
        return not ip_address(settings.host).is_loopback
    except ValueError:
        return True


class CertificateExpiry(Collector):
    """The metric of when the served certificate expires."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls

    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        """Return the time in seconds since the Unix epoch, as usual in Prometheus."""
        yield GaugeMetricFamily(
            "otpconv_tls_certificate_expires_timestamp_seconds",
            "When the certificate that is served to new connections expires, Unix time.",
            self._tls.served.expires_at / 1000,
        )
