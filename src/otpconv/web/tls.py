"""The server's own certificate, and whether plain HTTP is a risk."""

import ssl
from ipaddress import ip_address
from pathlib import Path

from msgspec import Struct

from otpconv.config import Settings
from otpconv.errors import Misconfigured


class Tls(Struct, frozen=True):
    """A certificate, with the chain that clients need, and its private key; both PEM files.

    Attributes:
        cert: the file of the certificate.
        key: the file of the key.
    """

    cert: Path
    key: Path


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
    for setting, file in (("tls_cert", cert), ("tls_key", key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise Misconfigured(f"{setting}: {file} can't be read: {error.strerror}") from None
    try:
        # With an empty passphrase an encrypted key fails; without one OpenSSL asks for it on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "not PEM"
        raise Misconfigured(
            f"{cert} and {key} are no certificate and its private key, unencrypted PEM both ({reason})"
        ) from None
    return Tls(cert, key)


def is_exposed(settings: Settings) -> bool:
    """Tell whether secrets may cross a network in clear: plain HTTP, not of this machine alone, no proxy."""
    if settings.tls_cert is not None or settings.require_tls or settings.trusted_proxies:
        return False
    if settings.host == "localhost":
        return False
    try:
        return not ip_address(settings.host).is_loopback
    except ValueError:
        return True
