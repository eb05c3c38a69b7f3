"""Our own style sheets, scripts and icon, under addresses that change with their contents."""

import hashlib
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from otpconv.errors import NotFound

_KINDS: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_HEADERS: Final = {
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}


class StaticFiles:
    """The files of `static/`, read once."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}
        self._files: dict[str, tuple[bytes, str]] = {}
        for file in (files("otpconv.web") / "static").iterdir():
            stem, _, kind = file.name.rpartition(".")
            if kind in _KINDS:
                content = file.read_bytes()
                name = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{kind}"
                self._urls[file.name] = f"/static/{name}"
                self._files[name] = content, _KINDS[kind]

    def url(self, name: str) -> str:
        """Return the address of the file of this name.

        Raises:
            KeyError: there is none.
        """
        return self._urls[name]

    async def show(self, request: Request) -> Response:
        """Answer one file.

        Raises:
            NotFound: there is none, or its content was another once.
        """
        found = self._files.get(request.path_params["name"])
        if found is None:
            raise NotFound("There is no such file; load the page again.")
        content, kind = found
        return Response(content, media_type=kind, headers=_HEADERS)
