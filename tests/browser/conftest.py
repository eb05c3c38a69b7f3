"""Debian's Chromium for the tests, watched: what it complains of, and where it calls."""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from browser.broken_route import Traffic
from constants import smaller
from debian import program
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock

#: Opens a page of its own: `scheme`, `width`, `scripts`, `key` (who is signed in), `at` (a server of another
#: fixture, its administrator signed in), `calls_fail`.
Open = Callable[..., Page]

#: How long to wait for an event that is sure to come: other tests run at the same time, ms.
PATIENCE_MS = 30_000
NOWHERE = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's Chromium; installed where that is ours to do."""
    # The one without windows needs little more than half of the CPU.
    found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    return found or program("chromium-headless-shell", "chromium-headless-shell", "fonts-dejavu-core")


# Of this folder: while playwright runs, no other test of this process could use asyncio.
@pytest.fixture(scope="package")
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
                # No new frame for each page, and no process in advance: a tenth less CPU each.
                "--disable-features=RenderDocument,SpareRendererForSitePerProcess",
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
    traffic = Traffic(int(smaller(1_000_000, 25_000)), wall_clock())
    server = LocalServer(tmp_path_factory.mktemp("broken") / "data")
    with server:
        pass  # makes the keys
    traffic.fill(server.data)
    with server:
        yield server, traffic


class Tab:
    """A page in a context of its own, which one test uses after the other: a new one takes 1 s of CPU.

    Attributes:
        page: the page.
        calls_fail: whether the test expects that calls of the page fail.
        complaints: what the page complained of.
    """

    def __init__(self, browser: Browser, base_url: str, *, scripts: bool) -> None:
        self._context = browser.new_context(base_url=base_url, java_script_enabled=scripts)
        self._context.set_default_timeout(PATIENCE_MS)
        self._context.on("console", self._complain)
        self._context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.page = self._context.new_page()
        self.calls_fail = False
        self.complaints: list[str] = []

    def _complain(self, message: ConsoleMessage) -> None:
        expected = self.calls_fail and message.text.startswith("Failed to load resource")
        if message.type in {"error", "warning"} and not expected:
            self.complaints.append(message.text)

    def clear(self) -> bool:
        """Leave nothing of a test but the HTTP cache; return whether another test can use the page."""
        if self.page.is_closed():
            self._context.close()
            return False
        for other in self._context.pages:
            if other is not self.page:
                other.close()
        self._context.set_offline(False)
        self._context.clear_cookies()
        # By the page itself: `goto` would start a new process for what the next test opens.
        self.page.evaluate("location.replace('about:blank')")
        self.page.wait_for_url("about:blank")
        self.page.emulate_media(reduced_motion="null")
        return True


@pytest.fixture(scope="package")
def idle_tabs(browser: Browser) -> dict[tuple[str, bool], list[Tab]]:
    """The tabs that no test uses, by the address of their server and whether scripts run."""
    del browser  # they end with it
    return defaultdict(list)


@pytest.fixture
def open_page(
    browser: Browser, server: LocalServer, idle_tabs: dict[tuple[str, bool], list[Tab]]
) -> Iterator[Open]:
    """Opens pages, and finds in the end that none complained of anything."""
    used: list[tuple[tuple[str, bool], Tab]] = []

    def new(
        *,
        scheme: Literal["light", "dark"] = "light",
        width: int = 1280,
        scripts: bool = True,
        key: AccessKey | None = None,
        at: LocalServer | None = None,
        calls_fail: bool = False,
    ) -> Page:
        kind = (at or server).url, scripts
        idle = idle_tabs[kind]
        tab = idle.pop() if idle else Tab(browser, kind[0], scripts=scripts)
        used.append((kind, tab))
        tab.calls_fail = calls_fail
        tab.page.emulate_media(color_scheme=scheme)
        tab.page.set_viewport_size({"width": width, "height": 844 if width < 600 else 800})
        if key is not None:
            sign_in(tab.page.context, key.access_key_id, key.secret)
        if at is not None:
            sign_in(tab.page.context, at.access_key_id, at.access_key_secret)
        return tab.page

    yield new
    for kind, tab in used:
        if tab.clear():
            idle_tabs[kind].append(tab)
    complaints = [complaint for _, tab in used for complaint in tab.complaints]
    for _, tab in used:
        tab.complaints.clear()
    assert complaints == []


def sign_in(context: BrowserContext, access_key_id: str, secret: str) -> None:
    """Sign in as the form does, but load no page."""
    form = {"access_key_id": access_key_id, "access_key_secret": secret}
    assert context.request.post("/sign-in", form=form, max_redirects=0).status == 303
