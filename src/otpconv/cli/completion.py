"""Values that the shell completes: dimensions, columns, time zones, names in the data folder, filters.

Typer asks these functions when somebody presses the tab key. They print nothing, whatever goes wrong, and
give up after a short time.
"""

import io
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from otpconv.access.directory import Directory
    from otpconv.access.keys import AccessKey

#: How long the values may take, s; without them the shell completes nothing.
DEADLINE_S = 1.5
#: The most values of a filter that are offered: those with the most messages.
MAX_VALUES = 50

#: The parameters of the command so far, by name.
_Given = Mapping[str, Any]
Completion = Callable[[typer.Context, str], list[str]]


def completion(values: Callable[[_Given, str], Iterable[str]]) -> Completion:
    """Return a completion that offers the values which begin like the incomplete word.

    Args:
        values: returns values for the parameters so far and the incomplete word. It runs on another thread.
    """

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        found: list[str] = []

        def look() -> None:
            with suppress(Exception):
                found.extend(values(ctx.params, incomplete))

        # What a library prints would stand in the middle of the line that somebody types.
        with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            thread = Thread(target=look, daemon=True)
            thread.start()
            thread.join(DEADLINE_S)
        return [value for value in list(found) if value.startswith(incomplete)]

    return complete


def _dimensions(_: _Given, incomplete: str) -> Iterable[str]:
    """Return the list so far, with each dimension that it lacks."""
    from otpconv.storage.contract import DIMENSIONS

    listed, comma, _rest = incomplete.rpartition(",")
    return [f"{listed}{comma}{name}" for name in DIMENSIONS if name not in listed.split(",")]


def _conditions(given: _Given, incomplete: str) -> Iterable[str]:
    """Return `country=` and the like; after the `=`, the values with the most messages, from the server."""
    from otpconv.cli.client import Client
    from otpconv.storage.contract import DIMENSIONS

    name, equals, _ = incomplete.partition("=")
    if not equals:
        return [f"{name}=" for name in DIMENSIONS]
    key = (given.get("access_key_id"), given.get("access_key_secret"), given.get("key_file"))
    asked = {option: given[option] for option in ("start", "end", "tz") if given.get(option)}
    asked |= {"by": name, "top": str(MAX_VALUES), "order": "-requested"}
    rows = Client(given["endpoint"], *key).call("GET", "/v1/rates", params=asked)["rows"]
    return [f"{name}={row[name]}" for row in rows if row.get(name)]


def _rates(name: str) -> Completion:
    """Return a completion of the names in a constant of `otpconv.rates`."""

    def values(_: _Given, __: str) -> Iterable[str]:
        from otpconv import rates

        return list(getattr(rates, name))

    return completion(values)


def _zones(_: _Given, __: str) -> Iterable[str]:
    from zoneinfo import available_timezones

    return sorted(available_timezones())


def _actions(_: _Given, __: str) -> Iterable[str]:
    from otpconv.access.policies.cautions import ACTIONS

    return ACTIONS


def _is_there(data: Path | None) -> bool:
    """Return whether a data folder has access keys: opening it would create them."""
    from otpconv.config import load

    return (load(data=data).data / "access.sqlite").is_file()


def _keys(values: Callable[["AccessKey"], str]) -> Completion:
    """Return a completion of something that access keys in the data folder have."""

    def look(given: _Given, _: str) -> Iterable[str]:
        from otpconv.cli.stores import key_store

        if not _is_there(given.get("data")):
            return []
        with key_store(given.get("data")) as store:
            return sorted({values(key) for key in store.list()})

    return completion(look)


def _names(values: Callable[["Directory", str], Iterable[str]]) -> Completion:
    """Return a completion of names of the account in the data folder."""

    def look(given: _Given, _: str) -> Iterable[str]:
        from otpconv.cli.stores import directory

        if not _is_there(given.get("data")):
            return []
        with directory(given.get("data")) as opened:
            return list(values(opened, given.get("account") or "default"))

    return completion(look)


dimensions = completion(_dimensions)
conditions = completion(_conditions)
intervals, levels, comparisons = _rates("INTERVALS"), _rates("LEVELS"), _rates("COMPARISONS")
# A shell takes a word with a minus for an option, so the orders are offered without it.
orders = _rates("ORDERS")
zones = completion(_zones)
actions = completion(_actions)
dialects = completion(lambda _, __: ("native", "alibaba"))
key_ids, accounts = _keys(lambda key: key.access_key_id), _keys(lambda key: key.account_name)
users = _names(lambda opened, account: [user.name for user in opened.users(account)])
roles = _names(lambda opened, account: [role.name for role in opened.roles(account)])
policies = _names(lambda opened, account: [policy.name for policy in opened.policies(account)])
