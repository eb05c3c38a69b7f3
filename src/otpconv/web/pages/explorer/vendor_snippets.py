"""The code of a call of another vendor: for its official SDKs, as the how-tos have it, and for curl."""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from otpconv.dialects.tutor.operation import Operation, Way, typed
from otpconv.dialects.tutor.request import ApiRequest
from otpconv.dialects.tutor.vendor import Vendor
from otpconv.web.pages.explorer.snippets import Snippet
from otpconv.web.pages.layout import Layout

_MODULE = "Save it as a file whose name ends with .mjs."
_ONCE = "Signed just now with your key, whose secret is not in it. It is good for a while only."


class VendorSnippets:
    """Writes code for this server.

    Args:
        layout: renders the templates.
        public_url: the URL that the code calls.
    """

    def __init__(self, layout: Layout, public_url: str) -> None:
        self._layout = layout
        self._url = urlsplit(public_url)

    def of(self, vendor: Vendor, operation: Operation, way: Way, given: Mapping[str, str]) -> list[Snippet]:
        """Return the code in each language whose SDK has the call; blank parameters are left out."""
        known = {each.name: given.get(each.name, "") for each in operation.parameters}
        if any(each.place == "query" for each in operation.parameters):
            known = {name: value for name, value in known.items() if value}
        values: dict[str, Any] = {
            "operation": operation.name,
            "way": way.name,
            "given": known,
            "typed": {each.name: typed(each, given.get(each.name, "")) for each in operation.parameters},
            "url": self._url.geturl(),
            "host": self._url.netloc,
            "scheme": self._url.scheme,
            "quoted": _quoted,
            "shell": shlex.quote,
            "snake": _snake,
            "camel": _camel,
        }
        found = []
        for key, name in vendor.sdks.items():
            install, _, code = self._layout.text(f"code/{vendor.name}/{key}.txt", **values).partition("\n\n")
            if code:
                note = _MODULE if key == "node" else ""
                found.append(Snippet(key, name, install, code.lstrip("\n"), note))
        return found

    def curl(self, request: ApiRequest, way: Way) -> Snippet:
        """Return a request as a curl command, without the secret.

        Args:
            request: with the signature; or without credentials, if the way sends the secret itself.
            way: how it is signed.
        """
        url = f"{self._url.scheme}://{self._url.netloc}{request.target}"
        lines = [f"curl -X {request.method} {shlex.quote(url)}"]
        lines += [way.curl] if way.curl else []
        lines += [
            f"-H {shlex.quote(f'{name}: {value}')}"
            for name, value in request.headers.items()
            if name != "host" and name not in way.hidden
        ]
        lines += [f"-d {shlex.quote(request.body.decode())}"] if request.body else []
        note = "" if way.curl else _ONCE
        return Snippet("curl", "curl", "", " \\\n  ".join(lines) + "\n", note)


def _quoted(value: object) -> str:
    """Return a text or a list of texts as JSON writes it, which is how these languages write it too."""
    return json.dumps(value, ensure_ascii=False)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.replace(".", "")).lower()


def _camel(name: str) -> str:
    return name[0].lower() + name[1:].replace(".", "")
