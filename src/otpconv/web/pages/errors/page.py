"""The error centre: what each code means, and what to do; open to all, since error answers link here."""

from starlette.requests import Request
from starlette.responses import Response

from otpconv.errors import NotFound
from otpconv.web.pages.errors.codes import catalogue, examples
from otpconv.web.pages.layout import Layout
from otpconv.web.pages.visitors import Visitors

PATH = "/errors"
_WANTED_CHARS = 100


class ErrorCentre:
    """`/errors` and `/errors/CODE`."""

    def __init__(self, layout: Layout, visitors: Visitors, public_url: str) -> None:
        """Take what pages need, and the URL that the examples' links begin with."""
        self._layout = layout
        self._visitors = visitors
        self._public_url = public_url
        self._entries = catalogue()

    async def index(self, request: Request) -> Response:
        """Answer all codes, or those that have each word of `q`."""
        wanted = request.query_params.get("q", "")[:_WANTED_CHARS].strip()
        words = set(wanted.lower().split())
        found = [
            entry
            for entry in self._entries.values()
            if all(
                word in f"{entry.code} {entry.status} {entry.cause} {entry.text}".lower() for word in words
            )
        ]
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
        """Answer one code."""
        entry = self._entries.get(request.path_params["code"])
        if entry is None:
            raise NotFound("There is no such error code; /errors lists them.")
        return self._layout.page(
            "error.html",
            f"{PATH}/{entry.code}",
            self._visitors.of(request),
            entry=entry,
            examples=examples(entry, self._public_url),
        )
