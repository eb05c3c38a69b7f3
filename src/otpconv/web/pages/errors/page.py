"""The error centre: what each code means, and what to do; open to all, since error answers link here."""

from starlette.requests import Request
from starlette.responses import Response

from otpconv.errors import NotFound
from otpconv.web.pages.errors.codes import CatalogueEntry, catalogue, examples
from otpconv.web.pages.errors.vendor_codes import VendorEntry, vendor_catalogue
from otpconv.web.pages.layout import Layout
from otpconv.web.pages.visitors import Visitors

PATH = "/errors"
_WANTED_CHARS = 100


class ErrorCentre:
    """`/errors`, `/errors/CODE` and `/errors/VENDOR/CODE`."""

    def __init__(self, layout: Layout, visitors: Visitors, public_url: str) -> None:
        """Create the pages.

        Args:
            layout: renders the pages.
            visitors: say who is signed in.
            public_url: what the links of the examples begin with.
        """
        self._layout = layout
        self._visitors = visitors
        self._public_url = public_url
        self._own = catalogue()
        self._vendors = vendor_catalogue(public_url)

    async def index(self, request: Request) -> Response:
        """Answer all codes, or those that have each word of `q`."""
        wanted = request.query_params.get("q", "")[:_WANTED_CHARS].strip()
        words = set(wanted.lower().split())
        entries: list[CatalogueEntry | VendorEntry] = [*self._own.values(), *self._vendors.values()]
        found = [entry for entry in entries if all(word in _searched(entry) for word in words)]
        groups: dict[str, list[object]] = {}
        for entry in found:
            groups.setdefault(entry.group, []).append(entry)
        return self._layout.page(
            "errors.html",
            PATH,
            self._visitors.of(request),
            wanted=wanted,
            count=len(found),
            groups=list(groups.items()),
        )

    async def show(self, request: Request) -> Response:
        """Answer one code of Alibaba's dialect or of the native API."""
        entry = self._own.get(request.path_params["code"])
        return self._page(request, entry, examples(entry, self._public_url) if entry else [])

    async def show_of_vendor(self, request: Request) -> Response:
        """Answer one code of another vendor."""
        entry = self._vendors.get(f"{request.path_params['vendor']}/{request.path_params['code']}")
        title = f"{entry.group}, HTTP {entry.status.partition(',')[0]}" if entry else ""
        return self._page(request, entry, [(title, entry.example)] if entry else [])

    def _page(
        self, request: Request, entry: CatalogueEntry | VendorEntry | None, answers: list[tuple[str, str]]
    ) -> Response:
        if entry is None:
            raise NotFound("There is no such error code; /errors lists them.")
        visitor = self._visitors.of(request)
        return self._layout.page("error.html", f"{PATH}/{entry.path}", visitor, entry=entry, examples=answers)


def _searched(entry: CatalogueEntry | VendorEntry) -> str:
    return f"{entry.code} {entry.status} {entry.cause} {entry.text} {entry.group}".lower()
