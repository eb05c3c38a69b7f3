"""What the environment says of the reporter; of the client side the only place that reads it."""

import os

from otpconv.delivery.credentials import VARIABLES, Credentials

_TRUE = {"1", "true", "yes", "on"}


def endpoint() -> str | None:
    """Return where reports go: `OTPCONV_ENDPOINT`."""
    return os.environ.get("OTPCONV_ENDPOINT") or None


def credentials() -> Credentials:
    """Return `OTPCONV_ACCESS_KEY_ID`, `_SECRET` and `OTPCONV_SECURITY_TOKEN`; missing ones are empty."""
    return Credentials(*(os.environ.get(variable, "") for variable in VARIABLES))


def key_file() -> str | None:
    """Return the file with ID:SECRET that the command line reads: `OTPCONV_KEY_FILE`."""
    return os.environ.get("OTPCONV_KEY_FILE") or None


def tz() -> str | None:
    """Return the time zone in which commands read and show times: `OTPCONV_TZ`."""
    return os.environ.get("OTPCONV_TZ") or None


def config_file() -> str | None:
    """Return the file with the settings: `OTPCONV_CONFIG`."""
    return os.environ.get("OTPCONV_CONFIG") or None


def spool() -> str | None:
    """Return the spool's folder: `OTPCONV_SPOOL`."""
    return os.environ.get("OTPCONV_SPOOL") or None


def degraded() -> bool:
    """Return whether reporters start degraded: `OTPCONV_DEGRADED`."""
    return os.environ.get("OTPCONV_DEGRADED", "").strip().lower() in _TRUE
