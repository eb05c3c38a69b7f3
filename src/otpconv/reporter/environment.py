"""What the environment says of the reporter; of the client side the only place that reads it."""

import os
from urllib.request import getproxies, proxy_bypass

_TRUE = {"1", "true", "yes", "on"}


def endpoint() -> str | None:
    """Return where reports go: `OTPCONV_ENDPOINT`."""
    return os.environ.get("OTPCONV_ENDPOINT") or None


def access_key() -> tuple[str, str, str] | None:
    """Return `OTPCONV_ACCESS_KEY_ID`, `_SECRET` and, of temporary credentials, `OTPCONV_SECURITY_TOKEN`."""
    key_id = os.environ.get("OTPCONV_ACCESS_KEY_ID", "")
    secret = os.environ.get("OTPCONV_ACCESS_KEY_SECRET", "")
    return (key_id, secret, os.environ.get("OTPCONV_SECURITY_TOKEN", "")) if key_id and secret else None


def spool() -> str | None:
    """Return the spool's folder: `OTPCONV_SPOOL`."""
    return os.environ.get("OTPCONV_SPOOL") or None


def degraded() -> bool:
    """Tell whether reporters start degraded: `OTPCONV_DEGRADED`."""
    return os.environ.get("OTPCONV_DEGRADED", "").strip().lower() in _TRUE


def proxy(scheme: str, host: str) -> str | None:
    """Return the proxy for a host, as `https_proxy` and `no_proxy` say it."""
    return None if proxy_bypass(host) else getproxies().get(scheme)
