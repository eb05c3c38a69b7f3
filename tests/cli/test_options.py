"""An option means the same in every command, and the same thing has the same name."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import typer.core
from typer.main import get_command

from otpconv.cli.main import app

#: Options whose words differ from command to command, although they mean the same, and why.
SAME_IN_OTHER_WORDS = {
    "--at": "the time of a different thing in each command",
    "--format": "`import` finds it out, `export` takes it from the name of the file",
    "--country": "`advice` asks about one country, `prices delete` chooses prices by it",
    "--port": "`demo` has its own default, and needs it with --serve only",
    "--output": "what is written differs",
    "--from": "`import` takes the kind of a file, `ledger copy` the storage to copy, `prices` a time",
    "--provider": "`vendors create` sets the provider of an account, `prices delete` chooses prices by it",
    "--top": "`rates` shows the first groups of an order, `relay dead-letters` the newest ones",
    "--to": "`report` takes a recipient, `ledger copy` the storage to copy to",
    "--seed": "`advice` repeats an answer, `demo` repeats traffic",
    "--start": "`rates` has a window by default, `annotations list` has none",
    "--end": "likewise",
    "--kind": "vendor accounts and targets of alerts have kinds of their own",
    "--setting": "likewise, with settings of their own",
    "--secrets": "likewise, with secrets of their own",
    "--only": "`import` chooses rows by columns, `alerts targets create` alerts by dimensions",
    "--csv": "`rates` prints all that it shows, `ranges` a list to block",
}
#: Other names for what these options mean already.
SYNONYMS = {
    "--account": ("--account-name", "--tenant"),
    "--by": ("--group-by", "--split", "--dimension", "--dimensions"),
    "--data": ("--data-dir", "--dir", "--folder", "--data-folder"),
    "--end": ("--until", "--stop"),
    "--endpoint": ("--url", "--server", "--base-url"),
    "--format": ("--fmt", "--type"),
    "--json": ("--as-json", "--output-json"),
    "--key-file": ("--credentials", "--access-key-file"),
    "--order": ("--sort", "--order-by", "--sort-by"),
    "--output": ("--out", "--to-file", "--target"),
    "--start": ("--since", "--after", "--begin"),
    "--timeout": ("--wait", "--deadline", "--give-up-after"),
    "--to": ("--recipient",),
    "--number": ("--phone", "--phone-number", "--msisdn"),
    "--top": ("--limit", "--count"),
    "--tz": ("--timezone", "--time-zone", "--zone"),
    "--where": ("--filter",),
}
#: What the value of an option is, by the words that people see for it.
METAVARS = {"DIR", "FILE", "SECONDS", "TIME", "ZONE"}
WRONG_METAVARS = {"PATH", "FOLDER", "S", "SEC", "TIMEZONE", "WHEN", "FILENAME"}


def parameters(path: str, command: object) -> Iterator[tuple[str, Any]]:
    """Yield every parameter of a command and of those below it, with the words of its command."""
    if isinstance(command, typer.core.TyperGroup):
        for name, below in command.commands.items():
            yield from parameters(f"{path} {name}", below)
    elif isinstance(command, typer.core.TyperCommand):
        for parameter in command.params:
            yield path, parameter


PARAMETERS = list(parameters("otpconv", get_command(app)))
OPTIONS = [(path, each) for path, each in PARAMETERS if each.param_type_name == "option"]


def described(option: Any) -> tuple[object, ...]:  # noqa: ANN401 - which class it is depends on typer
    """Return what must be the same wherever an option of this name is."""
    return tuple(option.opts), option.metavar, option.envvar, option.help


def test_an_option_of_several_commands_is_the_same_in_all() -> None:
    by_name: dict[str, dict[tuple[object, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for path, option in OPTIONS:
        if option.opts[0] not in SAME_IN_OTHER_WORDS:
            by_name[option.opts[0]][described(option)].append(path)
    different = {name: dict(texts) for name, texts in by_name.items() if len(texts) > 1}
    assert not different, (
        "these options have one name and different texts. Define the option once in otpconv/cli/options.py,"
        " rename one of them if it means something else, or give a reason in SAME_IN_OTHER_WORDS."
    )


@pytest.mark.parametrize("name", SYNONYMS)
def test_what_has_a_name_has_no_second_one(name: str) -> None:
    second = [(path, option.opts) for path, option in OPTIONS if set(option.opts) & {*SYNONYMS[name]}]
    assert not second, f"what this means is called {name} in other commands: use that name"


def test_the_values_of_arguments_and_options_have_the_same_names() -> None:
    wrong = [(path, each.name) for path, each in PARAMETERS if each.metavar in WRONG_METAVARS]
    assert not wrong, f"use one of {METAVARS} as the metavar"


def test_every_command_that_takes_or_shows_times_takes_a_time_zone() -> None:
    by_command: dict[str, set[str]] = defaultdict(set)
    for path, option in OPTIONS:
        by_command[path].add(option.opts[0])
        if option.metavar == "TIME":
            by_command[path].add("TIME")
    shown = {"otpconv keys list", "otpconv users list", "otpconv users show", "otpconv roles list"}
    shown |= {
        "otpconv roles show",
        "otpconv policies list",
        "otpconv spool status",
        "otpconv spool dead-letters",
    }
    timed = {path for path, names in by_command.items() if "TIME" in names} | shown
    assert {path for path in timed if "--tz" not in by_command[path]} == set()
    assert {"otpconv rates", "otpconv report", "otpconv access explain"} <= timed


def test_no_option_that_is_excused_is_gone() -> None:
    names = {option.opts[0] for _, option in OPTIONS}
    assert set(SYNONYMS) <= names | {"--limit"}
