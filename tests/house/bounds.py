"""The bounds of the source, read from the source: what docs/reference/limits.md has to list.

`python -m tests.house.bounds` writes values and reasons into the rows of that page, and appends a row for
each bound that has none yet. What happens at a bound, and the test that holds it, is written by hand.
"""

import ast
import importlib
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from tests.house.source import ROOT, modules

PAGE = ROOT / "docs/reference/limits.md"

_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
#: Keywords that bound something when their value is a number.
_BOUNDING = {
    "ge",
    "gt",
    "le",
    "lt",
    "max_length",
    "max_num_fields",
    "max_workers",
    "maxlen",
    "maxsize",
    "min_length",
}
#: Constructors and functions whose number is a bound, and the place of that number among their arguments.
_BOUNDED_CALLS = {
    "BoundedSemaphore": 0,
    "LifoQueue": 0,
    "PriorityQueue": 0,
    "Queue": 0,
    "Semaphore": 0,
    "ThreadPoolExecutor": 0,
    "deque": 1,
    "lru_cache": 0,
    "timeout": 0,
}
_CONTAINERS = {
    "Counter",
    "OrderedDict",
    "WeakKeyDictionary",
    "WeakValueDictionary",
    "defaultdict",
    "dict",
    "list",
    "set",
}
_COLUMNS = "| bound | value | reason | at the bound | test |\n| --- | --- | --- | --- | --- |"
_NEW_ROWS = "## Bounds without a place yet"


_SIZES = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_TIMES = ((86_400_000, "days"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))


class Bound(NamedTuple):
    """One bound.

    Attributes:
        name: dotted, below `otpconv`, e.g. `web.front.body.MAX_BODY_BYTES`.
        value: as people read it.
        reason: what it is of and why, from the comment `#:` above it.
        place: file and line.
    """

    name: str
    value: str
    reason: str
    place: str


class Structure(NamedTuple):
    """Something that grows, or waits: a container that outlives a call, or a call without a bound.

    Attributes:
        name: dotted, below `otpconv`, e.g. `ledger.recent.Recent._heard`.
        what: the code that makes it.
        place: file and line.
    """

    name: str
    what: str
    place: str


class Row(NamedTuple):
    """One row of the page; its cells without the borders."""

    line: int
    cells: list[str]

    @property
    def names(self) -> list[str]:
        """What the row is about, as the code names it."""
        return re.findall(r"`([^`]+)`", self.cells[0])


def bounds() -> dict[str, Bound]:
    """Return every number of the source that may be a bound, by its name."""
    found: dict[str, Bound] = {}
    for module, path, text, syntax in modules():
        lines = text.splitlines()
        for name, node in _constants(syntax):
            value = getattr(importlib.import_module(f"otpconv.{module}".rstrip(".")), name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                dotted = f"{module}.{name}".lstrip(".")
                found[dotted] = Bound(dotted, shown(name, value), _reason(lines, node), _place(path, node))
        for dotted, value, call in numbers_in(module, syntax):
            found[dotted] = Bound(dotted, value, "", _place(path, call))
    return found


def numbers_in(module: str, syntax: ast.Module) -> Iterator[tuple[str, str, ast.Call]]:
    """Yield the calls of a module that bound something by a number: name, value and call."""
    for owner, node in _owned(syntax):
        if isinstance(node, ast.Call) and (text := _literals(node)):
            yield f"{module}.{owner}".rstrip("."), text, node


def structures() -> dict[str, Structure]:
    """Return what the source lets grow or wait without saying how far, by its name."""
    return {
        name: Structure(name, what, _place(path, node))
        for module, path, _, syntax in modules()
        for name, what, node in structures_in(module, syntax)
    }


def structures_in(module: str, syntax: ast.Module) -> Iterator[tuple[str, str, ast.AST]]:
    """Yield what a module lets grow or wait: name, code and node."""
    for owner, node in _owned(syntax):
        what = _growing(node)
        if what:
            yield f"{module}.{owner}".rstrip("."), what, node


def shown(name: str, value: float) -> str:
    """Return a number as people read it, with the unit that its name says."""
    if re.search(r"BYTES_(?:PER_S|A_SECOND)$", name):
        return f"{_in_units(value, _SIZES, 'bytes')}/s"
    if name.endswith("_KIB"):
        return _in_units(value * 1024, _SIZES, "bytes")
    if re.search(r"_BYTES(?:_EACH)?$", name):
        return _in_units(value, _SIZES, "bytes")
    if re.search(r"_M?S$", name):
        milliseconds = value if name.endswith("_MS") else value * 1000
        return _in_units(milliseconds, _TIMES, "ms")
    return f"{value:,}"


def _in_units(value: float, units: Iterable[tuple[int, str]], smallest: str) -> str:
    """Return a number in the largest unit of which it is a whole number."""
    for size, unit in units:
        if value >= size and (value / size).is_integer() and (value, unit) != (size, "days"):
            return f"{round(value / size):,} {unit}"
    return f"{value:,.6g} {smallest}" if isinstance(value, float) else f"{value:,} {smallest}"


def rows(page: str) -> list[Row]:
    """Return the rows of all tables of a page, without their headings."""
    found: list[Row] = []
    lines = page.splitlines()
    for number, line in enumerate(lines):
        heading = number + 1 < len(lines) and re.match(r"\| -", lines[number + 1])
        if line.startswith("| ") and not heading and not re.match(r"\| -", line):
            found.append(Row(number, [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]))
    return found


def refreshed(page: str, known: dict[str, Bound]) -> str:
    """Return the page with the present values and reasons of all bounds that have a row."""
    lines = page.splitlines()
    for row in rows(page):
        bound = known.get(row.names[0]) if row.names else None
        if bound is not None and len(row.cells) == 5:
            cells = [row.cells[0], bound.value, bound.reason or row.cells[2], *row.cells[3:]]
            lines[row.line] = f"| {' | '.join(cells)} |"
    return "\n".join(lines) + "\n"


def new_row(bound: Bound) -> str:
    """Return the row of a bound that has none yet; the last two cells are to be written."""
    return f"| `{bound.name}` | {bound.value} | {bound.reason} | what the caller sees | `tests/…::test_…` |"


def _constants(syntax: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the constants that a module makes; one that is another under a new name is none of them."""
    for node in syntax.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and not isinstance(node.value, ast.Name):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            for each in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(each, ast.Name) and _CONSTANT.fullmatch(each.id) and each.id != "TYPE_CHECKING":
                    yield each.id, node


def _reason(lines: list[str], node: ast.stmt) -> str:
    above: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.startswith("#:"):
            break
        above.insert(0, line.removeprefix("#:").strip())
    return " ".join(above).replace("|", r"\|")


def _place(path: str, node: ast.AST) -> str:
    return f"{path}:{getattr(node, 'lineno', 0)}"


@cache
def _owned(syntax: ast.Module) -> list[tuple[str, ast.AST]]:
    """Return every statement and call with its owner: a class, a function, an assigned name."""
    found: list[tuple[str, ast.AST]] = []

    def walk(node: ast.AST, owner: str) -> None:
        for child in _below(node):
            name = owner
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{owner}.{child.name}".strip(".")
            elif isinstance(child, ast.Assign | ast.AnnAssign):
                target = child.targets[0] if isinstance(child, ast.Assign) else child.target
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                    # Of the class, whichever method makes it.
                    name = f"{owner.rpartition('.')[0] or owner}.{target.attr}"
                elif isinstance(target, ast.Name) and (owner == "" or isinstance(node, ast.ClassDef)):
                    name = f"{owner}.{target.id}".strip(".")
            if isinstance(child, ast.stmt | ast.Call):
                found.append((name, child))
            walk(child, name)

    walk(syntax, "")
    return found


def _below(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a node consists of, but names and constants: most of a tree, and nothing is below them."""
    for field in node._fields:
        value = getattr(node, field, None)
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, ast.AST) and not isinstance(each, ast.Name | ast.Constant | ast.expr_context):
                yield each


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _literals(call: ast.Call) -> str:
    """Return the bounds that a call has as numbers of its own, e.g. `max_length=128`."""
    found = [(keyword.arg or "", keyword.value) for keyword in call.keywords if keyword.arg in _BOUNDING]
    place = _BOUNDED_CALLS.get(_called(call))
    if place is not None and len(call.args) > place:
        found.append((_called(call), call.args[place]))
    numbers = [
        f"{name} {node.value:,}"
        for name, node in found
        if isinstance(node, ast.Constant)
        and isinstance(node.value, (int, float))
        and not isinstance(node.value, bool)
    ]
    return ", ".join(numbers)


def _growing(node: ast.AST) -> str:
    """Return the code of a node that grows or waits without a bound; empty when it does not."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Attribute) and node.value is not None and _is_container(node.value):
            return ast.unparse(node)
    if isinstance(node, ast.Call) and _is_endless(node):
        return ast.unparse(node)
    decorators = getattr(node, "decorator_list", [])
    endless = [each for each in decorators if getattr(each, "id", getattr(each, "attr", "")) == "cache"]
    return "@cache" if endless else ""


def _is_container(value: ast.expr) -> bool:
    if isinstance(value, ast.Dict | ast.List | ast.Set):
        return not (getattr(value, "keys", None) or getattr(value, "elts", None))
    called = _called(value) if isinstance(value, ast.Call) else ""
    return called in _CONTAINERS and (called == "defaultdict" or not value.args)


def _is_endless(call: ast.Call) -> bool:
    name = _called(call)
    if name in {"Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"}:
        return not call.args and not call.keywords
    if name == "deque":
        given = [each.value for each in call.keywords if each.arg == "maxlen"] or call.args[1:2]
        return not given or (isinstance(given[0], ast.Constant) and given[0].value is None)
    if name in {"read", "read_bytes", "read_text", "readline", "readlines"}:
        return not call.args and isinstance(call.func, ast.Attribute)
    if name in {"to_thread", "run_in_executor", "create_task"}:
        return name != "run_in_executor" or isinstance(call.args[0], ast.Constant)
    nothing = [
        each.arg
        for each in call.keywords
        if isinstance(each.value, ast.Constant) and each.value.value is None
    ]
    return bool({"maxsize", "maxlen", "timeout"} & {*nothing}) or (
        name == "lru_cache" and not call.args and not call.keywords
    )


def main() -> None:
    """Bring the page up to date with the source, and append rows for what has none."""
    from tests.house.not_bounds import NOT_BOUNDS  # noqa: PLC0415 - the list is only needed here and by the test

    known = bounds()
    page = refreshed(PAGE.read_text(encoding="utf-8"), known)
    listed = {name for row in rows(page) for name in row.names} | {
        name for names in NOT_BOUNDS.values() for name in names
    }
    missing = [new_row(bound) for name, bound in known.items() if name not in listed]
    if missing and _NEW_ROWS not in page:
        page += f"\n{_NEW_ROWS}\n\n{_COLUMNS}\n"
    PAGE.write_text(page + "".join(f"{row}\n" for row in missing), encoding="utf-8")
    sys.stdout.write(f"{len(missing)} rows to complete at the end of {PAGE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
