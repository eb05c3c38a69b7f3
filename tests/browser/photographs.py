"""Photographs of the pages: the pages, their looks, and the checks of each look."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from campaigns import CAMPAIGN, LONG_FORM

FOLDER = Path(__file__).resolve().parents[2] / ".screenshots"
#: Themes and widths: a phone, a small and a large screen.
_LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (
    ("light", 1440),
    ("dark", 390),
    ("light", 1024),
    ("dark", 1440),
    ("light", 390),
    ("dark", 1024),
)
#: The looks that pages have by turns in `make test`: both themes, and both orders of the columns.
_BY_TURNS = _LOOKS[:2]
#: The rules that depend on colors and sizes: in its other looks a document has the same elements.
_RULES_OF_LOOKS = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]

# The addresses of the pages, by the names of their photographs. Every route of a page must have one.
OPEN = {
    "sign-in": "/sign-in",
    "errors": "/errors",
    "errors-none": "/errors?q=nothing-of-the-kind",
    "error": "/errors/SignatureDoesNotMatch",
    "error-of-vendor": "/errors/twilio/20001",
}
EXPLORER = {
    "explorer": "/explorer",
    "operation": "/explorer/SmsConversion",
    "native": "/explorer/v1/recordMessages",
    "vendor-operation": "/explorer/twilio/UpdateVerification",
    "diagnosis": "/explorer/diagnosis",
    "not-found": "/explorer/Nonsense",
}
#: Of an account with the user `{user}`.
ADMINISTRATION = {
    "administration-users": "/administration/users",
    "administration-users-none": "/administration/users?q=nobody",
    "administration-user": "/administration/users/{user}",
    "administration-policies": "/administration/policies",
    "administration-policy": "/administration/policies/OtpconvReadOnly",
    "administration-new-policy": "/administration/new-policy",
    "administration-permissions": "/administration/permissions?action=otpconv:QueryRates",
    "administration-audit": "/administration/audit",
    "administration-health": "/administration/health",
}
#: Of vendor accounts; see test_relay.py.
RELAY = {"relay": "/relay"}
#: Of alerts; see test_alerts.py.
ALERTS = {"alerts": "/alerts", "alert": "/alerts/{user}"}
#: Of pumped number ranges; see test_ranges.py.
RANGES = {"ranges": "/ranges", "ranges-fraud": "/ranges?show=fraud"}
#: Of the traffic of `browser.broken_route`.
DASHBOARD = {
    "dashboard": "/dashboard",
    "dashboard-route": "/dashboard?country=ID&provider=birdcall",
    "dashboard-hour": "/dashboard?window=1h",
    "dashboard-empty": "/dashboard?country=XX",
    "dashboard-problem": "/dashboard?window=2y",
    "saved-views": "/dashboard/views",
    "message": "/dashboard/message?message_id=1008030300000003",
    "message-unknown": "/dashboard/message?message_id=nobody-knows",
}


def looks(page: Page, place: int) -> Iterator[str]:
    """Show a page in one look by its place among others, or in a campaign in each; yield the look's name."""
    for look in _LOOKS if CAMPAIGN else [_BY_TURNS[place % len(_BY_TURNS)]]:
        _show(page, *look)
        yield _name(*look)


def photograph(page: Page, name: str, place: int) -> None:
    """Inspect a page in its looks."""
    for look in looks(page, place):
        inspect(page, f"{name}-{look}")


def _show(page: Page, scheme: Literal["light", "dark"], width: int) -> None:
    # A transition would be photographed halfway.
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 844 if width < 600 else 900})


def _name(scheme: str, width: int) -> str:
    return f"{scheme}-{width}"


def inspect(page: Page, name: str) -> None:
    """Check that the page fits into the screen, and that axe finds nothing; the long form takes a picture."""
    if LONG_FORM:
        page.screenshot(path=FOLDER / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"], name  # type: ignore[index]
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    elif not LONG_FORM:
        options["runOnly"] = _RULES_OF_LOOKS
    found = page.evaluate("options => axe.run(options).then(result => result.violations)", options)
    assert [f"{each['id']}: {each['nodes'][0]['html']}" for each in found] == [], name


def route_of(address: str, routes: list[str]) -> str | None:
    """Return the path of the route that answers an address: of several, the one with fewer parameters."""
    path = address.partition("?")[0].format(user="olga")
    for route in sorted(routes, key=lambda each: each.count("{")):
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path):
            return route
    return None
