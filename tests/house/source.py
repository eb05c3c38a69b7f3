"""This tree, read once in each process: all files, and the Python of the package as syntax."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "otpconv"


class Module(NamedTuple):
    """A module of the package.

    Attributes:
        name: dotted, below `otpconv`; empty: the package itself.
        path: its file, from the root of this tree.
        text: its source.
        syntax: the same, parsed.
    """

    name: str
    path: str
    text: str
    syntax: ast.Module


@cache
def texts(folder: str) -> dict[str, str]:
    """The Python files of ours below a folder of this tree, by path."""
    files = sorted(file for file in (ROOT / folder).rglob("*.py") if "node_modules" not in file.parts)
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}


@cache
def modules() -> list[Module]:
    """Every module of the package."""
    found = []
    for path, text in texts("src/otpconv").items():
        parts = (ROOT / path).relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, path, text, ast.parse(text)))
    return found


@cache
def tracked() -> dict[str, str]:
    """Every file that git tracks, with its text; bytes that are not UTF-8 are replaced."""
    git = shutil.which("git") or pytest.skip("there is no git here")
    listed = subprocess.run(  # noqa: S603 - git's own listing of this tree
        [git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True
    )
    if listed.returncode != 0:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    files = [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]
    return {path: (ROOT / path).read_text(encoding="utf-8", errors="replace") for path in files}


@cache
def routes(folder: str = "web") -> list[str]:
    """The methods and paths that a folder of the server answers, from its `Route(…)` and `Page(…)`."""
    return [
        route
        for path, text in texts(f"src/otpconv/{folder}").items()
        if "Route(" in text or "Page(" in text
        for route in _routes_of(ast.parse(text))
    ]


def _routes_of(syntax: ast.Module) -> Iterator[str]:
    for node in ast.walk(syntax):
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        called = getattr(node.func, "id", "")
        if called == "Page":
            yield f"{ast.literal_eval(node.args[1])} {node.args[0].value}"
        elif called == "Route":
            methods = next(each.value for each in node.keywords if each.arg == "methods")
            yield from (f"{method} {node.args[0].value}" for method in ast.literal_eval(methods))
