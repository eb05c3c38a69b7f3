"""Help texts: a sub-command's docstring is its page of the manual."""

import inspect
from collections.abc import Callable
from typing import Final

import typer

#: Below the help of each command.
EXIT_CODES: Final = (
    "Exit codes: 0 done, 1 refused, 2 wrong usage or settings, 3 try again later, 130 interrupted."
)


def add(app: typer.Typer, name: str, command: Callable[..., None]) -> None:
    """Register a sub-command; what follows `Examples:` in its docstring is shown line by line."""
    page = inspect.cleandoc(command.__doc__ or "")
    app.command(name, help=page.replace("\nExamples:\n", "\nExamples:\n\n"), epilog=EXIT_CODES)(command)
