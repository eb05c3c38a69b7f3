"""The code of a call in the languages of the official SDKs, and as a curl command."""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from otpconv.dialects.alibaba import Operation, Parameter
from otpconv.dialects.alibaba.tutor.walkthrough import Signature, Walkthrough
from otpconv.web.pages.layout import Layout

#: Language -> its name for people, in the order they are shown.
LANGUAGES: Final = {
    "python": "Python",
    "java": "Java",
    "go": "Go",
    "node": "Node.js",
    "php": "PHP",
    "csharp": "C#",
}

#: The SDKs' product and the major version of the Go module, by version of the API.
_PRODUCTS: Final = {
    "2018-05-01": ("dysmsapi", "v2"),
    "2017-05-25": ("dysmsapi", "v5"),
    "2015-04-01": ("sts", "v2"),
}
_RESULTS: Final = {"2018-05-01": ("ResponseCode",), "2017-05-25": ("Code",)}
_ASSUMED: Final = ("Credentials", "Expiration")


class Snippet(Struct, frozen=True):
    """The code of a call in one language.

    Attributes:
        key: of the language, as an id in a page.
        name: of the language, for people.
        install: the command that installs what the code needs; empty for none.
        code: the code.
        note: what to know of it; empty for nothing.
    """

    key: str
    name: str
    install: str
    code: str
    note: str = ""


class Snippets:
    """Writes code."""

    def __init__(self, layout: Layout, public_url: str) -> None:
        """Create the snippets.

        Args:
            layout: renders the templates.
            public_url: the URL that the code calls.
        """
        self._layout = layout
        parts = urlsplit(public_url)
        self._endpoint, self._protocol = parts.netloc, parts.scheme

    def of(self, operation: Operation, parameters: Mapping[str, str], signature: Signature) -> list[Snippet]:
        """Return the code of a call in each language.

        Args:
            operation: the operation to call.
            parameters: of the operation, by name; blank ones are left out.
            signature: which of the two the code makes the SDK use.
        """
        product, go = _PRODUCTS[operation.version]
        given = [
            (each.name, _kind(each, parameters[each.name]), parameters[each.name])
            for each in operation.parameters
            if parameters.get(each.name)
        ]
        values: dict[str, Any] = {
            "action": operation.action,
            "given": given,
            "date": operation.version.replace("-", ""),
            "product": product,
            "go_version": go,
            "result": _RESULTS.get(operation.version, _ASSUMED),
            "endpoint": self._endpoint,
            "protocol": self._protocol,
            "v1": signature == "V1",
            "quoted": _quoted,
            "dollar_quoted": lambda text: _quoted(text).replace("$", "\\$"),
            "snake": _snake,
            "camel": _camel,
        }
        found = []
        for key, name in LANGUAGES.items():
            install, code = self._layout.text(f"code/{key}.txt", **values).split("\n", 1)
            found.append(Snippet(key, name, install, code.lstrip("\n")))
        return found

    def curl(self, signed: Walkthrough) -> Snippet:
        """Return a signed request as a curl command; the secret is not in it."""
        lines = [
            f"curl -X {signed.method} {shlex.quote(f'{self._protocol}://{self._endpoint}/?{signed.query}')}"
        ]
        lines += [
            f"  -H {shlex.quote(f'{name}: {value}')}"
            for name, value in signed.headers.items()
            if name != "host"
        ]
        note = "Signed just now with your key, whose secret is not in it. It is good once, within 15 minutes."
        return Snippet("curl", "curl", "", " \\\n".join(lines) + "\n", note)


def _kind(parameter: Parameter, value: str) -> str:
    """Return how a value is written in code; an invalid number or boolean becomes a string."""
    return parameter.kind if re.fullmatch(parameter.pattern, value) else "string"


def _quoted(text: str) -> str:
    """Return a text as JSON writes it, which is how all these languages write a string too."""
    return json.dumps(text, ensure_ascii=False)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _camel(name: str) -> str:
    return name[0].lower() + name[1:]
