"""Parts of requests that several vendors have in common."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

from otpconv.access.vendors import VendorAccount

#: The content type of parameters in a body.
FORM: Final = "application/x-www-form-urlencoded"
#: Calls per second to a vendor that does not publish its limit.
UNPUBLISHED_PER_SECOND: Final = 50


def host_of(vendor: VendorAccount) -> str:
    """Return the host and port that a call to a vendor has in its header `Host`."""
    return urlsplit(vendor.settings["endpoint"]).netloc


def part(text: str) -> str:
    """Return a text as a part of a path."""
    return quote(text, safe="")


def basic(user: str, password: str) -> str:
    """Return the value of `Authorization` for HTTP Basic."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def moment(time: int) -> datetime:
    """Return a time, ms, as a moment in UTC, without its fraction of a second."""
    return datetime.fromtimestamp(time // 1000, UTC)


def compact(time: int) -> str:
    """Return a time, ms, as signatures have it, e.g. `20261126T215135Z`."""
    return moment(time).strftime("%Y%m%dT%H%M%SZ")
