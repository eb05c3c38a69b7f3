"""A request as the explorer makes it, and the steps that show how it was made."""

from urllib.parse import unquote

from msgspec import Struct

from otpconv.dialects.dialect import HttpRequest


class ApiRequest(Struct, frozen=True):
    """A request.

    Attributes:
        method: the HTTP method.
        path: percent-encoded, with its `/`.
        query: percent-encoded, without the `?`.
        headers: names in lower case.
        body: the whole body.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def target(self) -> str:
        """The path and the query, as the first line of a request has them."""
        return f"{self.path}{'?' if self.query else ''}{self.query}"

    def received(self) -> HttpRequest:
        """Return the request as a dialect gets it."""
        fields = {name.encode(): value.encode("latin-1") for name, value in self.headers.items()}
        return HttpRequest(self.method, unquote(self.path), self.query.encode(), fields, self.body)


class Step(Struct, frozen=True):
    """One step of a signature.

    Attributes:
        title: the name of the result.
        how: its inputs and the rule.
        value: the result.
    """

    title: str
    how: str
    value: str
