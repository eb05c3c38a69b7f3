"""Debian's Chromium for the tests, watched: what it complains of, and where it calls."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from browser.broken_route import Traffic
from campaigns import rounds
from debian import program
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock

#: Opens a page of its own: `scheme`, `width`, `scripts`, `key` (who is signed in), `at` (a server of another
#: fixture, its administrator signed in), `calls_fail`.
Open = Callable[..., Page]

#: How long to wait for what is sure to come: other tests run at the same time, ms.
PATIENCE_MS = 30_000
NOWHERE = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's Chromium; installed where that is ours to do."""
    return program("chromium", "chromium", "fonts-dejavu-core")


# Of a module: while playwright runs, no other test of this process could use asyncio.
@pytest.fixture(scope="module")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser; in the end its own log says that nothing was called but this machine."""
    log = tmp_path_factory.mktemp("chromium") / "net.json"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium,
            # Chromium has calls of its own to make, which shall not leave this machine either.
            args=[
                "--no-sandbox",
                "--disable-gpu",
                f"--log-net-log={log}",
                f"--host-resolver-rules={NOWHERE}",
            ],
        )
        yield running
        running.close()
    assert {*called(log)} == {"127.0.0.1"}


def called(log: Path) -> Iterator[str]:
    """The hosts that pages called, as the log of the browser's network has it."""
    written = json.loads(log.read_text(encoding="utf-8"))
    kinds = {number: name for name, number in written["constants"]["logEventTypes"].items()}
    for event in written["events"]:
        parameters = event.get("params", {})
        # What the browser itself calls has no page that initiated it.
        if kinds[event["type"]] == "URL_REQUEST_START_JOB" and "127.0.0.1" in parameters.get("initiator", ""):
            yield str(urlsplit(parameters["url"]).hostname)


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalServer, Traffic]]:
    """A server with messages of two days, and the true figures: one route broke 5 hours ago."""
    traffic = Traffic(rounds(1_000_000), wall_clock())
    server = LocalServer(tmp_path_factory.mktemp("broken") / "data")
    with server:
        pass  # makes the keys
    traffic.fill(server.data)
    with server:
        yield server, traffic


@pytest.fixture
def open_page(browser: Browser, server: LocalServer) -> Iterator[Open]:
    """Opens pages, and finds in the end that none complained of anything."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def complain(message: ConsoleMessage, *, calls_fail: bool) -> None:
        expected = calls_fail and message.text.startswith("Failed to load resource")
        if message.type in {"error", "warning"} and not expected:
            complaints.append(message.text)

    def new(
        *,
        scheme: str = "light",
        width: int = 1280,
        scripts: bool = True,
        key: AccessKey | None = None,
        at: LocalServer | None = None,
        calls_fail: bool = False,
    ) -> Page:
        context = browser.new_context(
            base_url=(at or server).url,
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": 844 if width < 600 else 800},
            java_script_enabled=scripts,
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        context.on("console", partial(complain, calls_fail=calls_fail))
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        if key is not None:
            sign_in(context, key.access_key_id, key.secret)
        if at is not None:
            sign_in(context, at.access_key_id, at.access_key_secret)
        return context.new_page()

    yield new
    for context in contexts:
        context.close()
    assert complaints == []


def sign_in(context: BrowserContext, access_key_id: str, secret: str) -> None:
    """Sign in as the form does, but load no page."""
    form = {"access_key_id": access_key_id, "access_key_secret": secret}
    assert context.request.post("/sign-in", form=form, max_redirects=0).status == 303
