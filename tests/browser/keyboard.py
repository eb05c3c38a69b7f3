"""The keyboard of somebody who has no mouse."""

import pytest
from playwright.sync_api import Locator, Page

#: The number of presses after which a place counts as out of reach.
MOST_TABS = 200


def press(page: Page, target: Locator, key: str = "Enter") -> None:
    """Go to a place of the page with the Tab key alone, and press a key there."""
    reach(page, target)
    page.keyboard.press(key)


def write(page: Page, target: Locator, text: str) -> None:
    """Go to a field with the Tab key alone, replace its text, and press Enter."""
    reach(page, target)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


#: Whether a place lies before the focus, or in the second half of a page that has no focus yet.
IS_BACKWARD = """place => {
    const places = [...document.querySelectorAll('a, input, select, textarea, button, summary')];
    const shown = places.filter(each => each.checkVisibility());
    const from = shown.indexOf(document.activeElement), to = shown.indexOf(place);
    return from < 0 ? to > shown.length / 2 : to < from;
}"""


def reach(page: Page, target: Locator) -> None:
    """Go to a place with the Tab key, backward if that is the shorter way."""
    key = "Shift+Tab" if target.evaluate(IS_BACKWARD) else "Tab"
    for _ in range(MOST_TABS):
        if target.evaluate("each => each === document.activeElement"):
            return
        page.keyboard.press(key)
    pytest.fail(f"The Tab key does not reach {target}.")
