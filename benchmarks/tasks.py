"""`python -m benchmarks.tasks`: the cost of five usual tasks on the server of `otpconv demo --serve`.

Prints a line of JSON per task. Needs Chromium. `--link` uses a demo that already runs, e.g. of an earlier
version.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct
from playwright.sync_api import Locator, Page, sync_playwright

from otpconv.cli.demo.weeks import Weeks
from otpconv.clock import wall_clock

SEED = 7
#: Estimates of a person's time: to point and click, to press a key, and to read a word, s.
CLICK_S, KEY_S, WORD_S = 1.2, 0.28, 0.25
_HOUR_MS = 3_600_000

#: Counts the words that are shown from the place where a person reads to the end of an element.
_WORDS = """(end) => {
  const from = window.readUntil || document.querySelector("main");
  const walk = document.createTreeWalker(document.body, 4);
  let words = 0;
  for (let node; (node = walk.nextNode());) {
    const box = node.parentElement.getBoundingClientRect();
    const after = from.compareDocumentPosition(node) & 4 && !(window.readUntil && from.contains(node));
    const before = end.contains(node) || end.compareDocumentPosition(node) & 2;
    if (after && before && box.width > 1 && node.parentElement.checkVisibility())
      words += node.textContent.split(/\\s+/).filter(Boolean).length;
  }
  window.readUntil = end;
  return words;
}"""


class Cost(Struct):
    """The cost of a task.

    Attributes:
        clicks: on links, buttons and fields.
        characters: typed.
        pages: loaded, with the first one.
        words: shown from the top of each page to the clicked element, or to the answer.
        scrolls: screens to scroll.
    """

    clicks: int = 0
    characters: int = 0
    pages: int = 1
    words: int = 0
    scrolls: int = 0

    def person_s(self) -> float:
        """Return an estimate of a person's time, s."""
        actions = (self.clicks + self.scrolls) * CLICK_S + self.characters * KEY_S
        return round(actions + self.words * WORD_S, 1)


class Person:
    """Acts on a page like a person, and counts the actions.

    Args:
        page: shows the first page.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self.cost = Cost()
        page.on("framenavigated", self._count_page)

    def read(self, place: Locator) -> str:
        """Read up to the end of a place, and return its text."""
        place.wait_for()
        box = place.bounding_box()
        height = self._page.viewport_size["height"] if self._page.viewport_size else 0
        if box is not None:
            self.cost.scrolls += int(max(0.0, box["y"] + box["height"]) // height)
        place.scroll_into_view_if_needed()
        self.cost.words += place.evaluate(_WORDS)
        return " ".join(place.inner_text().split())

    def click(self, place: Locator) -> None:
        """Read up to a link or a button, and click it."""
        self.read(place)
        self.cost.clicks += 1
        place.click()

    def write(self, place: Locator, text: str) -> None:
        """Click a field, type a text and press Enter."""
        self.click(place)
        self.cost.characters += len(text) + 1
        place.fill(text)
        place.press("Enter")

    def _count_page(self, _: object) -> None:
        self.cost.pages += 1


def failing_route(person: Person, page: Page) -> str:
    """Find the failing route."""
    return person.read(page.locator("#broken a").first)


def since_when(person: Person, page: Page) -> str:
    """Find out since when it fails."""
    return person.read(page.locator("#broken .first-finding"))


def complaint(person: Person, page: Page) -> str:
    """Explain the complaint of a user whose phone number is known."""
    now = wall_clock()
    number = next(Weeks(SEED, now).between(now - _HOUR_MS, now)).phone.e164
    person.write(page.locator("#message_id"), number)
    return person.read(page.locator("#found ~ p").first)


def two_providers(person: Person, page: Page) -> str:
    """Compare two providers in one country."""
    person.write(page.locator("#search"), "ID")
    page.wait_for_url("**q=ID**")
    return person.read(page.locator("#worst tbody").first)


def same_view(person: Person, page: Page) -> str:
    """Give a colleague the same view."""
    person.click(page.get_by_role("link", name="Permalink to this range"))
    page.wait_for_url("**start=**")
    return page.url.partition("?")[2]


TASKS: tuple[Callable[[Person, Page], str], ...] = (
    failing_route,
    since_when,
    complaint,
    two_providers,
    same_view,
)


@contextmanager
def demo() -> Iterator[str]:
    """Run the demo, and give the link that signs in."""
    command = [sys.executable, "-m", "otpconv", "demo", "--serve", "--json", "--seed", str(SEED)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            started = process.stdout.readline() if process.stdout else ""
            yield json.loads(started)["link"]
        finally:
            process.send_signal(signal.SIGTERM)


def measure(link: str) -> Iterator[dict[str, object]]:
    """Do each task on the dashboard of a server, and yield its cost."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(link)
        page.wait_for_url("**/dashboard")
        home = page.url
        for task in TASKS:
            page.goto(home)
            person, began = Person(page), time.monotonic()
            answer = task(person, page)
            took = time.monotonic() - began
            yield {
                "task": task.__doc__,
                **{name: getattr(person.cost, name) for name in Cost.__struct_fields__},
                "machine_s": round(took, 2),
                "person_s": person.cost.person_s(),
                "answer": answer,
            }
        browser.close()


def main() -> None:
    """Do the tasks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tasks", description=__doc__)
    parser.add_argument("--link", help="signs in to a running demo; default: starts one")
    link = parser.parse_args().link
    if link:
        rows = measure(link)
        for row in rows:
            print(json.dumps(row), flush=True)
        return
    with demo() as started:
        for row in measure(started):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
