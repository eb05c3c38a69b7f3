"""The dashboard's first load in Chromium, with a page of the same server that asks nothing as the ceiling."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

from benchmarks.dataset import fill
from otpconv.cli.local_server import LocalServer
from otpconv.clock import wall_clock
from otpconv.errors import Misconfigured

_TIMES = 9
_PAGES = {
    "bare page": "/errors",
    "1 h": "/dashboard?window=1h",
    "24 h": "/dashboard",
    "7 d": "/dashboard?window=7d",
    "30 d": "/dashboard?window=30d",
}
#: From the request on, ms: the first byte, the load event, the chart decoded; and the bytes of all scripts.
_MEASURE = """async () => {
    const page = performance.getEntriesByType("navigation")[0];
    const loaded = page.loadEventEnd || await new Promise(done => setTimeout(() => done(page.loadEventEnd)));
    await document.querySelector("#chart img")?.decode();
    const scripts = performance.getEntriesByType("resource").filter(file => file.initiatorType === "script");
    const bytes = scripts.reduce((sum, file) => sum + file.decodedBodySize, 0);
    return [page.responseStart, loaded, performance.now(), bytes];
}"""


def run(folder: Path, messages: int, seconds: int) -> Iterator[dict[str, object]]:  # noqa: ARG001 - one form for all
    """Load each page nine times, in turns, on a ledger of `messages` in 30 days."""
    data = folder / "dashboard"
    with LocalServer(data):
        pass
    fill(data, messages, wall_clock(), verified=0.8)
    yield from measure(data, messages)


def measure(data: Path, messages: int) -> Iterator[dict[str, object]]:
    """Load each page nine times, in turns, on the ledger of a data folder.

    Raises:
        Misconfigured: Chromium is not installed.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        raise Misconfigured("Chromium is not installed. Install the package chromium.")
    with LocalServer(data) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(base_url=server.url, viewport={"width": 1280, "height": 800})
        _sign_in(page, server)
        loads: dict[str, list[list[float]]] = {name: [] for name in _PAGES}
        for turn in range(_TIMES + 1):
            for name, path in _PAGES.items():
                page.goto(path, wait_until="load")
                load = page.evaluate(_MEASURE)
                if turn:  # the first one starts the process that draws, and fills the browser's cache
                    loads[name].append(load)
        browser.close()
    for name, measured in loads.items():
        yield {"benchmark": f"dashboard, {name}", "messages": messages, **_row(measured)}


def _sign_in(page: Page, server: LocalServer) -> None:
    page.goto("/sign-in")
    page.get_by_label("AccessKeyId").fill(server.access_key_id)
    page.get_by_label("AccessKeySecret").fill(server.access_key_secret)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: urlsplit(url).path == "/dashboard")


def _row(measured: list[list[float]]) -> dict[str, object]:
    row: dict[str, object] = {}
    for place, name in enumerate(("first byte", "load event", "chart decoded")):
        times = [load[place] for load in measured]
        row |= {f"{name} p50 ms": round(median(times)), f"{name} best ms": round(min(times))}
    return row | {"scripts kB": round(max(load[3] for load in measured) / 1000, 1)}
