"""A page for users who are signed in: where it is, and who may open it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from otpconv.web.pages.visitors import Visitor

Handler = Callable[[Request, Visitor], Awaitable[Response]]


class Page(NamedTuple):
    """A page for users who are signed in.

    Attributes:
        path: as starlette writes it.
        method: `GET` or `POST`.
        handler: answers a request of somebody who may see the page.
        action: what policies have to allow; None for what every user may.
    """

    path: str
    method: str
    handler: Handler
    action: str | None = None
