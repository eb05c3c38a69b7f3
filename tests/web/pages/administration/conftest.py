"""Browsers of administrators and of others, on the shared server."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from web.wire import NO_TLS

#: Opens a browser that is signed in with a key.
SignedIn = Callable[[AccessKey], httpx.Client]


@pytest.fixture
def signed_in(server: LocalServer) -> Iterator[SignedIn]:
    opened: list[httpx.Client] = []

    def open_browser(key: AccessKey) -> httpx.Client:
        headers = {"accept": "text/html", "origin": server.url}
        browser = httpx.Client(base_url=server.url, headers=headers, verify=NO_TLS)
        opened.append(browser)
        form = {"access_key_id": key.access_key_id, "access_key_secret": key.secret}
        assert browser.post("/sign-in", data=form).status_code == 303
        return browser

    yield open_browser
    for browser in opened:
        browser.close()


@pytest.fixture
def admin(signed_in: SignedIn, key: AccessKey) -> httpx.Client:
    """The browser of an administrator, in an account of the test's own."""
    return signed_in(key)
