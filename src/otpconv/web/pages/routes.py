"""The routes of the pages: which there are, which are open to all, and how a refusal looks to people."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from otpconv.charts.drawing import Drawer
from otpconv.dialects.alibaba import OPERATIONS
from otpconv.dialects.vendors import VENDORS
from otpconv.errors import AccessDenied, BadCredentials, OtpconvError
from otpconv.service.compose import Service
from otpconv.web.front.body import Bodies
from otpconv.web.front.gate import Gate
from otpconv.web.pages.administration.desk import Desk
from otpconv.web.pages.administration.routes import administration_pages
from otpconv.web.pages.alerts.page import AlertsPage
from otpconv.web.pages.dashboard.routes import dashboard_pages
from otpconv.web.pages.errors.page import ErrorCentre
from otpconv.web.pages.explorer.diagnosis import DiagnosisPage
from otpconv.web.pages.explorer.native_calls import NativeCall, native_calls
from otpconv.web.pages.explorer.native_explorer import NativeExplorer
from otpconv.web.pages.explorer.page import Explorer
from otpconv.web.pages.explorer.vendor_explorer import VendorExplorer
from otpconv.web.pages.layout import HEADERS, HOME, Layout, Link
from otpconv.web.pages.page import Page
from otpconv.web.pages.ranges.page import RangesPage
from otpconv.web.pages.relay.page import RelayPage
from otpconv.web.pages.sign_in.page import SignInPage, local_path
from otpconv.web.pages.static import StaticFiles
from otpconv.web.pages.visitors import Visitors
from otpconv.web.v1.openapi import document

if TYPE_CHECKING:
    from otpconv.web.pages.oidc.page import ProviderPage


class Pages:
    """All pages.

    Args:
        service: has what the pages show and change.
        bodies: reads the forms.
        gate: counts calls and failed logins.
        app: answers the explorer's calls.
        public_url: the URL of the server, for links and code.

    Attributes:
        pages: those for users who are signed in.
    """

    def __init__(
        self,
        service: Service,
        bodies: Bodies,
        gate: Gate,
        *,
        app: ASGIApp,
        public_url: str,
    ) -> None:
        self._static = StaticFiles()
        native = native_calls(document(public_url))
        provider_host = urlsplit(service.settings.oidc_issuer).hostname or ""
        layout = self._layout = Layout(self._static, _explorer(native), provider_host)
        visitors = self._visitors = Visitors(service, gate)
        self._drawer = Drawer()
        self._sign_in = SignInPage(
            service, bodies, gate, layout=layout, visitors=visitors, expect=self._drawer.warm_up
        )
        self._provider = self._provider_page(service, gate, public_url)
        self._errors = ErrorCentre(self._layout, self._visitors, public_url)
        explorer = Explorer(
            service, bodies, layout=self._layout, visitors=self._visitors, app=app, public_url=public_url
        )
        v1 = NativeExplorer(service, native, bodies, layout=self._layout, app=app, public_url=public_url)
        vendors = VendorExplorer(
            service, bodies, layout=layout, visitors=visitors, app=app, public_url=public_url
        )
        diagnosis = DiagnosisPage(service, bodies, self._layout)
        desk = Desk(service, bodies, gate, layout=layout, visitors=visitors)
        # A page of its own is added here and, if people go to it from anywhere, to NAVIGATION.
        self.pages = [
            Page("/sign-out", "POST", self._sign_in.sign_out),
            *dashboard_pages(service, bodies, gate, layout=layout, visitors=visitors, drawer=self._drawer),
            Page("/explorer", "GET", explorer.index),
            Page("/explorer/diagnosis", "GET", diagnosis.show),
            Page("/explorer/diagnosis", "POST", diagnosis.run),
            Page("/explorer/v1/{call}", "GET", v1.show),
            Page("/explorer/v1/{call}", "POST", v1.run),
            Page("/explorer/{vendor}/{operation}", "GET", vendors.show),
            Page("/explorer/{vendor}/{operation}", "POST", vendors.run),
            Page("/explorer/{action}", "GET", explorer.show),
            Page("/explorer/{action}", "POST", explorer.run),
            *administration_pages(service, desk),
            *RangesPage(service, layout).pages(),
            *RelayPage(desk, service).pages(),
            *AlertsPage(desk, service, self._drawer).pages(),
        ]

    def _provider_page(self, service: Service, gate: Gate, public_url: str) -> "ProviderPage | None":
        if not service.settings.oidc_issuer:
            return None
        from otpconv.web.pages.oidc.page import ProviderPage, provider_of  # noqa: PLC0415 - it loads authlib

        return ProviderPage(
            service,
            gate,
            visitors=self._visitors,
            provider=provider_of(service.settings, public_url, service.clock),
            local=local_path,
            refused=self._sign_in.refused,
        )

    async def close(self) -> None:
        """End the process that draws, and the connections to the identity provider."""
        if self._provider is not None:
            await self._provider.close()
        await self._drawer.stop()

    def routes(self) -> list[Route]:
        """Return the routes; those written out here are open to all, the others to who is signed in."""
        return [
            *self._provider_routes(),
            # Only what no dialect claims gets here.
            Route("/", _start, methods=["GET"]),
            Route("/sign-in", self._sign_in.show, methods=["GET"]),
            Route("/sign-in", self._sign_in.post, methods=["POST"]),
            Route("/errors", self._errors.index, methods=["GET"]),
            Route("/errors/{code}", self._errors.show, methods=["GET"]),
            Route("/errors/{vendor}/{code}", self._errors.show_of_vendor, methods=["GET"]),
            Route("/static/{name}", self._static.show, methods=["GET"]),
            *(Route(page.path, self._admitting(page), methods=[page.method]) for page in self.pages),
        ]

    def _provider_routes(self) -> list[Route]:
        if self._provider is None:
            return []
        return [
            Route("/sign-in/provider", self._provider.start, methods=["GET"]),
            Route("/sign-in/provider/callback", self._provider.callback, methods=["GET"]),
        ]

    def problem(self, request: Request, error: OtpconvError) -> Response | None:
        """Return the page that tells a person of an error; None to a client that wants no page."""
        # `request.url` holds the header Host too, which may be anything.
        path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
        if "text/html" not in request.headers.get("accept", "") or path.startswith("/v1/"):
            return None
        visitor = self._visitors.of(request)
        if isinstance(error, BadCredentials) and request.method == "GET":
            after = path + (f"?{query}" if query else "")
            return RedirectResponse(
                f"/sign-in?next={quote(after, safe='/')}", HTTPStatus.SEE_OTHER, headers=HEADERS
            )
        denied = error if isinstance(error, AccessDenied) else None
        return self._layout.page(
            "problem.html",
            path,
            visitor,
            status=error.status,
            title=_TITLES.get(error.status, HTTPStatus(error.status).phrase),
            detail=error.text,
            code=error.code,
            action=denied.action if denied else "",
            who=denied.display_name if denied else "",
            command=f"otpconv users attach {denied.display_name} POLICY" if denied else "",
        )

    def _admitting(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            visitor = self._visitors.admit(request, page.action)
            response = await page.handler(request, visitor)
            if page.method == "GET":
                self._visitors.renew(request, response, visitor)
            return response

        return answer


async def _start(_: Request) -> Response:
    return RedirectResponse(HOME, HTTPStatus.SEE_OTHER, headers=HEADERS)


def _explorer(native: Mapping[str, NativeCall]) -> list[tuple[str, list[Link]]]:
    return [
        (
            "Alibaba Cloud SMS",
            [Link(f"/explorer/{each.action}", each.action, each.summary) for each in OPERATIONS],
        ),
        *(
            (
                vendor.title,
                [
                    Link(f"/explorer/{vendor.name}/{each.name}", each.name, each.summary)
                    for each in vendor.operations
                ],
            )
            for vendor in VENDORS.values()
        ),
        (
            "Native API",
            [
                Link(f"/explorer/v1/{each.name}", f"{each.method} {each.path}", f"{each.summary}.")
                for each in native.values()
            ],
        ),
        (
            "Help",
            [
                Link(
                    "/explorer/diagnosis",
                    "Why is it refused?",
                    "Paste a signed request that fails, and see which step of it differs.",
                )
            ],
        ),
    ]


_TITLES = {
    401: "You are not signed in",
    403: "This is not allowed",
    404: "There is no such page",
    429: "Too many requests",
    500: "The server failed",
    503: "The server can't answer now",
}
