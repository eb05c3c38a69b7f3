"""A request as people paste it: an HTTP message, a URL with headers below it or none, or a curl command."""

import base64
import re
import shlex
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from otpconv.dialects.dialect import Fields, HttpRequest, by_name
from otpconv.errors import InvalidRequest

#: A longer text is not a request of any dialect.
MAX_CHARS = 10_000

_FIRST_LINE = re.compile(r"(?:([A-Z]{3,7})\s+)?(https?://\S+|/\S*|\?\S+)(?:\s+HTTP/[0-9.]+)?")
_HEADER = re.compile(r"([A-Za-z0-9\-_]+)\s*:\s*(.*)")
_FORM = "application/x-www-form-urlencoded"

#: The options of curl that take a value, and what it is; the rest changes nothing of a request.
_TAKES = {
    **dict.fromkeys(("-X", "--request"), "method"),
    **dict.fromkeys(("-H", "--header"), "header"),
    **dict.fromkeys(("-d", "--data", "--data-raw", "--data-binary", "--data-ascii"), "data"),
    "--url": "url",
    **dict.fromkeys(("-u", "--user"), "login"),
    **dict.fromkeys(("-o", "--output", "-w", "--write-out", "-x", "--proxy"), "other"),
    **dict.fromkeys(("-m", "--max-time", "--connect-timeout"), "other"),
}


class Pasted(Struct, frozen=True):
    """A request, as the dialects read it.

    Attributes:
        method: upper case.
        path: decoded, with its first `/`.
        query: as it was sent, without the `?`.
        fields: the headers by name; with the host of the URL, if there is one and no header says it.
        body: the body.
    """

    method: str
    path: str
    query: bytes
    fields: Fields
    body: bytes

    def received(self) -> HttpRequest:
        """Return the request as a dialect gets it."""
        return HttpRequest(self.method, self.path, self.query, self.fields, self.body)


def parse_pasted(text: str) -> Pasted:
    """Return the request of a text.

    Raises:
        InvalidRequest: there is none in it; says what to paste.
    """
    text = text.strip().replace("\r\n", "\n")
    if len(text) > MAX_CHARS:
        raise InvalidRequest(f"This is longer than any request: {len(text):,} characters.")
    if re.match(r"curl\s", text):
        return _curl(text)
    head, _, body = text.partition("\n\n")
    first, *lines = head.split("\n")
    found = _FIRST_LINE.fullmatch(first.strip())
    if found is None:
        raise InvalidRequest(
            "Paste a whole request: its first line with method and URL, then its headers, an empty line and "
            "the body; or the URL alone; or a curl command."
        )
    headers = []
    for line in filter(str.strip, lines):
        header = _HEADER.fullmatch(line.strip())
        if header is None:
            raise InvalidRequest(f"This line is not a header (Name: value): {line.strip()[:80]}")
        headers.append((header[1], header[2]))
    return _pasted(found[1] or "GET", found[2], headers, body)


def _curl(text: str) -> Pasted:
    try:
        words = shlex.split(text.replace("\\\n", " "))[1:]
    except ValueError as error:
        raise InvalidRequest(f"The curl command is cut off: {error}.") from None
    given: dict[str, list[str]] = {"url": [], "data": [], "method": [], "header": [], "login": []}
    in_query = False
    rest = iter(words)
    for word in rest:
        name, joined, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name in _TAKES:
            given.setdefault(_TAKES[name], []).append(value if joined else next(rest, ""))
        elif name in {"-G", "--get"}:
            in_query = True
        elif not word.startswith("-"):
            given["url"].append(word)
    url, data = "".join(given["url"][-1:]), given["data"]
    method = "".join(given["method"][-1:])
    headers = [(name, value) for name, _, value in (each.partition(":") for each in given["header"])]
    headers += [("authorization", f"Basic {_base64(login)}") for login in given["login"][-1:]]
    if not url:
        raise InvalidRequest("The curl command has no URL.")
    body = "&".join(data)
    if in_query:
        return _pasted(method or "GET", f"{url}{'&' if '?' in url else '?'}{body}", headers, "")
    if data and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", _FORM))
    return _pasted(method or ("POST" if data else "GET"), url, headers, body)


def _pasted(method: str, url: str, headers: list[tuple[str, str]], body: str) -> Pasted:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidRequest("The URL is malformed.") from None
    pairs = [(name.strip().lower().encode(), _encoded(value.strip())) for name, value in headers]
    fields = by_name(pairs)
    if parts.netloc:
        fields.setdefault(b"host", _encoded(parts.netloc))
    return Pasted(method.upper(), unquote(parts.path) or "/", _encoded(parts.query), fields, _encoded(body))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape" if text.isprintable() else "replace")
