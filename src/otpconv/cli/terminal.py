"""What people see: tables, notes and progress bars; without colours and bars when it is not a terminal."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from otpconv.cli.characters import one_line, visible

#: A table that goes into a file or a pipe is never cut.
_UNLIMITED_COLUMNS = 10_000


def output(*, wide: bool = False) -> Console:
    """Return the console of standard output; with `wide`, its lines may be longer than the terminal's."""
    return console_of(None if sys.stdout.isatty() and not wide else _UNLIMITED_COLUMNS)


def console_of(width: int | None) -> Console:
    """Return a console of a width in characters, or of the terminal's."""
    return _Console(width=width, highlight=False)


def show(parts: Iterable[RenderableType], console: Console) -> None:
    """Print parts, one below the other."""
    for part in parts:
        console.print(part)


def note(text: str) -> None:
    """Print a line for a person to standard error."""
    print(f"otpconv: {visible(text)}", file=sys.stderr, flush=True)


class _Console(Console):
    """A console to which every string is a text of somebody: no markup, no emoji, no control characters.

    Pass styled texts as `rich.text.Text`.
    """

    def render_str(self, text: str, **options: Any) -> Text:  # type: ignore[explicit-override]  # noqa: ANN401
        """Return a string as the text that is shown."""
        return super().render_str(visible(text), **options | {"markup": False, "emoji": False})


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error while the context lasts.

    Args:
        title: the name of the work in progress.
        total: the number of steps in all; None if it is unknown, so that only the steps done are shown.

    Yields:
        A function to call with how much is done.
    """
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,}") if total is None else TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(one_line(title), total=total)
        yield lambda done: bar.update(task, completed=done)
