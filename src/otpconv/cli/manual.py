"""Help texts: a sub-command's docstring is its page of the manual."""

import inspect
from collections.abc import Callable

import typer


def add(app: typer.Typer, name: str, command: Callable[..., None]) -> None:
    """Register a sub-command; what follows `Examples:` in its docstring is shown line by line."""
    page = inspect.cleandoc(command.__doc__ or "")
    app.command(name, help=page.replace("\nExamples:\n", "\nExamples:\n\n"))(command)
