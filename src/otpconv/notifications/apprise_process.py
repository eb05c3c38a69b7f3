"""Sends one notification by apprise, in a process of its own; `apprise_wire` starts it.

So the library, 15 MB that take 0.3 s to load, is in no other process, and a call that hangs can be ended.
The request comes on the standard input, since others can see arguments, and the result goes to the standard
output, both as JSON.
"""

import logging
import sys
from typing import Any, Final

import apprise
import msgspec
from apprise import plugins
from msgspec import Struct

from otpconv.notifications.apprise_repairs import require_errcode_0, sign_once
from otpconv.notifications.services import PAGING, PARAMETERS, SERVICES

#: Characters of an error text.
MAX_ERROR_CHARS: Final = 300
#: Parts of a URL that are shorter are not taken for secrets in an error text.
_SECRET_CHARS: Final = 4
#: The most bytes of a request.
_MAX_BYTES: Final = 1024 * 1024


class Request(Struct, frozen=True):
    """What to send.

    Attributes:
        url: of apprise.
        check: only check the URL.
        key: the stable id of the notification.
        incident: what incidents of paging services are known by.
        severity: `warning`, `failure` (critical) or `success` (resolved).
        title: one line.
        texts: the text by style.
    """

    url: str
    check: bool = False
    key: str = ""
    incident: str = ""
    severity: str = "warning"
    title: str = ""
    texts: dict[str, str] = {}


class Result(Struct, frozen=True):
    """What became of it; `error` is empty if it was sent."""

    error: str = ""


def parsed(url: str) -> dict[str, Any] | str:
    """Return what apprise reads in a URL, or why it may not be used."""
    results: dict[str, Any] | None = plugins.url_to_dict(url, secure_logging=True)  # type: ignore[no-untyped-call]
    if not results:
        return "apprise does not know this URL"
    schema = str(results["schema"])
    if schema not in SERVICES:
        return f"the service {schema[:40]} is not one of those that can be used: {', '.join(SERVICES)}"
    given = {*results.get("qsd", {})}
    for sign in "+-:":  # headers, tokens and the like
        given |= {f"{sign}{name}" for name in results.get(f"qsd{sign}") or {}}
    if unknown := sorted(given - PARAMETERS):
        allowed = ", ".join(sorted(PARAMETERS))
        return f"the parameter {unknown[0][:40]} can't be used; those that can: {allowed}"
    return results


def send(request: Request) -> Result:
    """Send a notification, or check its URL."""
    results = parsed(request.url)
    if isinstance(results, str):
        return Result(results)
    schema = results["schema"]
    if schema in {"mailto", "mailtos"}:
        results["headers"] = {"X-Notification-Id": request.key}
    if schema == "pagerduty":
        results |= {"dedup": request.incident, "action": "map"}
    results["overflow"] = "truncate" if schema in PAGING else "split"
    # No pictures from other hosts, no redirects, no files.
    asset = apprise.AppriseAsset(
        app_id="otpconv",
        app_desc="otpconv",
        image_url_mask="",
        image_path_mask="",
        http_redirects=False,
        storage_mode="memory",
        async_mode=False,
    )
    try:
        plugin = apprise.Apprise.instantiate(results, asset=asset, suppress_exceptions=False)
    except TypeError as error:
        return Result(_without_secrets(str(error), request.url))
    if request.check or plugin is None:
        return Result("" if plugin is not None else "apprise does not know this URL")
    require_errcode_0()
    if schema == "dingtalk":
        sign_once(plugin)
    said = _Said()
    logging.getLogger("apprise").addHandler(said)
    service = apprise.Apprise(asset=asset)
    service.add(plugin)
    style = SERVICES[schema]
    sent = service.notify(
        body=request.texts[style],
        title=request.title,
        notify_type=apprise.NotifyType(request.severity),
        body_format=apprise.NotifyFormat(style),
    )
    return Result() if sent else Result(_without_secrets(said.text or "it was refused", request.url))


class _Said(logging.Handler):
    """Keeps the last warning that the library logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:  # type: ignore[explicit-override]
        self.text = record.getMessage()


def _without_secrets(text: str, url: str) -> str:
    """Return a text without the parts of a URL, which may be secrets."""
    rest = url.partition("://")[2]
    for mark in "/:@?&=,%+":
        rest = rest.replace(mark, " ")
    for part in sorted({*rest.split()}, key=len, reverse=True):
        if len(part) >= _SECRET_CHARS:
            text = text.replace(part, "…")
    return text[:MAX_ERROR_CHARS]


def main() -> None:
    """Read a request, do it, and write the result."""
    request = msgspec.json.decode(sys.stdin.buffer.read(_MAX_BYTES), type=Request)
    sys.stdout.buffer.write(msgspec.json.encode(send(request)))


if __name__ == "__main__":
    main()
