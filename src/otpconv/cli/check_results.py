"""Prints the results of checks, for `otpconv doctor` and `otpconv ledger verify`."""

from collections.abc import Iterable

import typer
from rich.text import Text

from otpconv.cli.characters import as_json
from otpconv.cli.terminal import output
from otpconv.storage.check_result import CheckResult


def print_results(results: Iterable[CheckResult], *, json: bool) -> None:
    """Print the results as they come, or all of them as JSON.

    Raises:
        typer.Exit: with 1, if a check has failed.
    """
    printed = []
    for result in results:
        printed.append(result)
        if not json:
            _print(result)
    problems = sum(not result.ok for result in printed)
    if json:
        typer.echo(as_json({"ok": not problems, "checks": printed}))
    elif problems:
        typer.echo(f"{problems} problem{'s' if problems > 1 else ''}")
    if problems:
        raise typer.Exit(1)


def _print(result: CheckResult) -> None:
    mark = Text("ok     ", "green") if result.ok else Text("problem", "red")
    console = output()
    console.print(mark, f"{result.check}:", end=" ")
    console.print(result.text, end="" if result.advice else "\n", soft_wrap=True)
    if result.advice:
        console.print(f"; to do: {result.advice}", soft_wrap=True)
    for example in result.examples:
        console.print(f"        {example}", soft_wrap=True)
