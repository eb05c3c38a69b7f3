"""The pages for people. So far: what each error code means, and what to do about it."""

from collections.abc import Callable
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from otpconv.access.keys import AccessKey
from otpconv.dialects.alibaba import CODES, ErrorCode
from otpconv.errors import NotFound, OtpconvError

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;"
    "padding:.4rem .8rem .4rem 0;border-bottom:1px solid #8886}"
)
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def catalogue() -> dict[str, ErrorCode]:
    """Return every code that can be answered: the dialect's, and those of the native API."""
    native = {
        kind.code: ErrorCode(
            kind.code, kind.status, "", str(kind.__doc__), "The answer's detail says what to do."
        )
        for kind in _kinds(OtpconvError)
        if kind.code not in CODES
    }
    return {**CODES, **native}


class ErrorPages:
    """`/errors` and `/errors/CODE`."""

    def __init__(self, caller: Callable[[Request, str], AccessKey]) -> None:
        """Take what tells, from a request and an action, who is asking."""
        self._caller = caller
        self._codes = catalogue()

    async def index(self, request: Request) -> Response:
        """Answer the list of all codes."""
        self._caller(request, "otpconv:GetErrors")
        rows = "".join(
            f'<tr><td><a href="/errors/{escape(code.code)}">{escape(code.code)}</a></td>'
            f"<td>{code.status}</td><td>{escape(code.cause)}</td></tr>"
            for code in self._codes.values()
        )
        return _page("Error codes", f"<table><tr><th>Code<th>HTTP<th>Why it comes</tr>{rows}</table>")

    async def show(self, request: Request) -> Response:
        """Answer one code."""
        self._caller(request, "otpconv:GetErrors")
        code = self._codes.get(request.path_params["code"])
        if code is None:
            raise NotFound("There is no such error code; /errors lists them.")
        text = f"<p><q>{escape(code.text)}</q></p>" if code.text else ""
        return _page(
            code.code,
            f"{text}<p>HTTP status {code.status}</p><h2>Why it comes</h2><p>{escape(code.cause)}</p>"
            f'<h2>What to do</h2><p>{escape(code.remedy)}</p><p><a href="/errors">All error codes</a></p>',
        )


def _kinds(kind: type[OtpconvError]) -> list[type[OtpconvError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _kinds(child))]


def _page(title: str, content: str) -> Response:
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)} · otpconv</title><style>{_STYLE}</style>"
        f"<main><h1>{escape(title)}</h1>{content}</main></html>",
        headers=_HEADERS,
    )
