"""What people see: tables, notes and progress bars; without colours and bars when it is not a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

#: A table that goes into a file or a pipe is never cut.
_UNLIMITED_COLUMNS = 10_000


def output() -> Console:
    """Return the console of standard output."""
    return Console(width=None if sys.stdout.isatty() else _UNLIMITED_COLUMNS, highlight=False)


def note(text: str) -> None:
    """Print a line for a person to standard error."""
    print(f"otpconv: {text}", file=sys.stderr, flush=True)


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error while the context lasts.

    Args:
        title: what is being done.
        total: what it comes to in the end; None when that is not known.

    Yields:
        A function to call with how much is done.
    """
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)
