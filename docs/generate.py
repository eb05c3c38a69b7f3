"""Write the reference pages that come from the code: `make docs` runs this, and a test compares the pages.

A page is generated as a whole, or between two comments, `<!-- generated -->` and `<!-- end -->`.
"""

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import typer.core
from pydantic_core import PydanticUndefined
from typer.main import get_command

from otpconv.access.policies.cautions import ACTIONS
from otpconv.access.policies.conditions import KEYS
from otpconv.access.policies.managed import DOCUMENTS
from otpconv.cli.main import app
from otpconv.config import Settings
from otpconv.dialects.alibaba import OPERATIONS
from otpconv.dialects.vendors import VENDORS
from otpconv.web.pages.errors.codes import CatalogueEntry, catalogue
from otpconv.web.pages.errors.vendor_codes import VendorEntry, vendor_catalogue
from otpconv.web.v1.openapi import document

REFERENCE: Final = Path(__file__).parent / "reference"
_FROM, _TO = "<!-- generated -->\n", "<!-- end -->\n"
_EXAMPLE_URL: Final = "http://127.0.0.1:8080"

Command = typer.core.TyperCommand | typer.core.TyperGroup


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; each cell is one line of plain text and code."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    # Every second part is code, in which a `<` needs no escape.
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    parts[::2] = [part.replace("<", "\\<") for part in parts[::2]]
    return "`".join(parts)


def settings() -> str:
    """Return the table of the settings, from `Settings`: its docstring, its defaults."""
    doc = inspect.cleandoc(Settings.__doc__ or "").partition("Attributes:\n")[2]
    texts = dict(re.findall(r"^    (\w+): (.*(?:\n        .*)*)", doc, re.MULTILINE))
    return table(
        ("Setting", "Variable", "Default", "Meaning"),
        (
            (
                f"`{name}`",
                f"`OTPCONV_{name.upper()}`",
                _default(field.default),
                f"{texts[name][0].upper()}{texts[name][1:]}",
            )
            for name, field in Settings.model_fields.items()
        ),
    )


def _default(value: object) -> str:
    if value in (None, "", PydanticUndefined):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def commands() -> str:
    """Return the page of the command line, from the Typer application."""
    root = get_command(app)
    epilog = " ".join(str(root.epilog).split())
    intro = f"Every command has `--help`. {epilog}\n"
    return _page("Commands", "the Typer application in `otpconv.cli`", intro, *_commands("otpconv", root))


def _commands(path: str, group: Command) -> Iterator[str]:
    context = typer.Context(group)
    assert isinstance(group, typer.core.TyperGroup)  # noqa: S101 - for the type checker
    for name in group.list_commands(context):
        command = group.commands[name]
        if isinstance(command, typer.core.TyperGroup):
            yield f"## `{path} {name}`\n\n{command.help}\n"
            yield from _commands(f"{path} {name}", command)
        else:
            yield _command(f"{path} {name}", command)


def _command(path: str, command: Any) -> str:
    level = "##" if path.count(" ") == 1 else "###"
    shown = [each for each in command.params if not each.hidden and each.name != "help"]
    arguments = "".join(f" {_names(each)[0]}" for each in shown if each.param_type_name == "argument")
    parts = [
        f"{level} `{path}{arguments}`\n",
        re.sub(r"\n{3,}", "\n\n", f"{_examples(command.help or '')}\n"),
    ]
    rows = [
        (
            " / ".join(f"`{each}`" for each in _names(parameter)),
            "" if parameter.default is None else _default(parameter.default),
            parameter.help or "",
        )
        for parameter in shown
    ]
    return "\n".join(parts) + (
        f"\n{table(('Argument or option', 'Default', 'Meaning'), rows)}" if rows else ""
    )


def _names(parameter: Any) -> list[str]:
    if parameter.param_type_name == "argument":
        return [parameter.metavar or parameter.name.upper()]
    return [*parameter.opts, *parameter.secondary_opts]


def _examples(text: str) -> str:
    """Return a help text with its examples as one console block."""
    text, found, examples = text.partition("\nExamples:\n")
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    return text.rstrip() + ("\n\n```sh\n" + "\n".join(lines) + "\n```" if found else "")


def errors() -> str:
    """Return the page of the error codes, from the same catalogue as `/errors`."""
    groups: dict[str, list[CatalogueEntry | VendorEntry]] = {}
    for entry in (*catalogue().values(), *vendor_catalogue(_EXAMPLE_URL).values()):
        groups.setdefault(entry.group, []).append(entry)
    sections = [
        f"## {group}\n\n"
        + table(
            ("Code", "HTTP", "Cause", "What to do"),
            (
                (f"`{each.code}`", str(each.status), reason.cause, reason.remedy)
                for each in entries
                for reason in each.reasons
            ),
        )
        for group, entries in groups.items()
    ]
    intro = (
        "The server shows the same at `/errors`, with an example of each response. The text of an error ends"
        " with the address of its page there.\n"
    )
    return _page("Error codes", "`otpconv.web.pages.errors.codes`", intro, *sections)


def policies() -> str:
    """Return the page of what policies are made of: actions, condition keys, managed policies."""
    allowed = {
        action: [name for name, text in DOCUMENTS.items() if _allows(text, action)] for action in ACTIONS
    }
    rows = ((f"`{action}`", ", ".join(f"`{name}`" for name in names)) for action, names in allowed.items())
    keys = ((f"`{key}`", family) for key, family in KEYS.items())
    managed = (
        f"### {name}\n\n```json\n{json.dumps(json.loads(text), indent=2)}\n```\n"
        for name, text in DOCUMENTS.items()
    )
    return _page(
        "Policies",
        "`otpconv.access.policies`",
        "How to write and test a policy: [Access](../how-to/access.md).\n",
        "## Actions\n\n" + table(("Action", "Managed policies that allow it"), rows),
        "## Condition keys\n\n" + table(("Key", "Operators"), keys),
        "## Managed policies\n\nEvery installation has these policies. They can't be changed.\n",
        *managed,
    )


def _allows(text: str, action: str) -> bool:
    patterns = [pattern for each in json.loads(text)["Statement"] for pattern in each["Action"]]
    return any(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), action) for pattern in patterns)


def api() -> str:
    """Return the page of every parameter and field: of the RPC operations, and of the native API."""
    described = document(_EXAMPLE_URL)
    return _page(
        "API parameters and fields",
        "the operations of `otpconv.dialects` and the OpenAPI document, `/openapi.json`",
        "What they mean together, with rules and examples: [HTTP](http.md).\n",
        "## Alibaba's operations\n",
        *_operations(),
        "## Operations of other vendors\n\nHow to call them: [the how-tos](../index.md).\n",
        *_vendor_operations(),
        "## Native paths\n",
        *_paths(described),
        "## Native objects\n",
        *_schemas(described),
    )


def _operations() -> Iterator[str]:
    for operation in OPERATIONS:
        rows = (
            (
                f"`{each.name}`",
                each.kind,
                "yes" if each.mandatory else "no",
                f"{_sentence(each.must_be)} {each.hint}",
            )
            for each in operation.parameters
        )
        yield (
            f"### {operation.action} ({operation.version})\n\n{operation.summary}\n\n"
            + table(("Parameter", "Type", "Required", "Value"), rows)
        )


def _vendor_operations() -> Iterator[str]:
    for vendor in VENDORS.values():
        for operation in vendor.operations:
            rows = [
                (
                    f"`{each.name}`",
                    each.place,
                    ", ".join(f"`{choice}`" for choice in each.choices) or each.kind,
                    "yes" if each.mandatory else "no",
                    each.hint,
                )
                for each in operation.parameters
            ]
            target = operation.path + ("?" if operation.query else "") + operation.query
            ways = ", ".join(way.name for way in operation.ways)
            yield (
                f"### {vendor.title}: {operation.name}\n\n{operation.summary} `{operation.method} {target}`."
                f" Permission: `{operation.permission}`. Signed by: {ways}.\n"
                + ("\n" + table(("Parameter", "Place", "Type", "Required", "Value"), rows) if rows else "")
            )


def _paths(described: dict[str, Any]) -> Iterator[str]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            summary = f"{_sentence(operation['summary'])} {operation.get('description', '')}"
            text = f"### `{method.upper()} {path}`\n\n{summary.strip()}\n"
            rows = [
                (f"`{each['name']}`", _type(each["schema"]), each.get("description", ""))
                for each in operation.get("parameters", ())
            ]
            if rows:
                text += "\n" + table(("Parameter", "Type", "Meaning"), rows)
            yield (
                text
                + "\n"
                + table(
                    ("Response", "Meaning"),
                    (
                        (status, f"{answer['description']}")
                        for status, answer in operation["responses"].items()
                    ),
                )
            )


def _schemas(described: dict[str, Any]) -> Iterator[str]:
    for name, schema in described["components"]["schemas"].items():
        required = schema.get("required", ())
        rows = (
            (f"`{field}`", _type(value), "yes" if field in required else "no", _described(value))
            for field, value in schema["properties"].items()
        )
        yield (
            f"### {name}\n\n{' '.join(schema.get('description', '').split())}\n\n"
            + table(("Field", "Type", "Always", "Meaning"), rows)
        )


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_type, schema["anyOf"])))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    bounds = [f"{word} {schema[key]:,}" for key, word in _BOUNDS.items() if key in schema]
    return f"{schema.get('type', 'any')}{', ' if bounds else ''}{', '.join(bounds)}"


_BOUNDS: Final = {
    "minimum": "at least",
    "maximum": "at most",
    "minLength": "characters: at least",
    "maxLength": "characters: at most",
}


def _described(schema: dict[str, Any]) -> str:
    texts = [
        schema.get("description", ""),
        *(each.get("description", "") for each in schema.get("anyOf", ())),
    ]
    default = schema.get("default")
    return next(filter(None, texts), "") + (f" (default `{default}`)" if default not in (None, "") else "")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def _page(title: str, source: str, *parts: str) -> str:
    note = f"<!-- Generated from {source}. Do not edit: `make reference` writes this page. -->\n"
    return f"# {title}\n\n{note}\n" + "\n".join(parts)


def _between(name: str, text: str) -> str:
    page = (REFERENCE / name).read_text(encoding="utf-8")
    head, _, rest = page.partition(_FROM)
    return f"{head}{_FROM}{text}{_TO}{rest.partition(_TO)[2]}"


_PAGES: Final[dict[str, Callable[[], str]]] = {
    "api.md": api,
    "commands.md": commands,
    "errors.md": errors,
    "policies.md": policies,
    "settings.md": lambda: _between("settings.md", settings()),
}


def outdated() -> dict[str, str]:
    """Return the pages that the code would write differently, by name, with their new text."""
    new = {name: page() for name, page in _PAGES.items()}
    old = {name: path.read_text(encoding="utf-8") for name in new if (path := REFERENCE / name).is_file()}
    return {name: text for name, text in new.items() if old.get(name) != text}


if __name__ == "__main__":
    for name, text in outdated().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote docs/reference/{name}\n")
