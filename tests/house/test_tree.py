"""What a reviewer would say of any file, said by a machine first."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from otpconv import __version__
from otpconv.access.policies.cautions import ACTIONS
from otpconv.dialects.alibaba import OPERATIONS, PASSED_ON
from tests.house.source import ROOT, modules, texts, tracked

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
WITHOUT_A_SUBJECT = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}

# Words, not hosts: this file may not name one either.
# Each pattern begins with a letter or sign: another would be tried at every place of 10 MB.
REGISTRY = re.compile(r"(?:pypi|pythonhosted|npmjs|deb\.debian)\.(?:org|com)\b")
SOMEBODYS_MACHINE = re.compile(r"/(?<![\w.~/-]/)(?:home|Users|root|work)/[\w.-]+")
SOMEBODYS_WINDOWS = re.compile(r":(?<=\b[A-Z]:)\\Users\\")


@cache
def sources() -> dict[str, ast.Module]:
    """The Python files of the package, as syntax."""
    return {module.path: module.syntax for module in modules()}


def files_of_tests(what: str) -> dict[str, ast.Module]:
    """The Python files of the tests in which a pattern occurs, as syntax: to parse them all takes seconds."""
    return {path: ast.parse(text) for path, text in texts("tests").items() if re.search(what, text)}


def sightings(what: re.Pattern[str]) -> list[str]:
    """Where a pattern occurs in the tracked files, as file:line: text."""
    return [
        f"{path}:{text.count(chr(10), 0, found.start()) + 1}: {found.group()}"
        for path, text in tracked().items()
        for found in what.finditer(text)
    ]


def modules_imported_by(syntax: ast.Module) -> Iterator[str]:
    """The dotted names of a module's imports, wherever in it they stand."""
    for node in ast.walk(syntax):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_module_says_what_it_is_for() -> None:
    assert [module.path for module in modules() if not ast.get_docstring(module.syntax)] == []


def test_no_source_file_outlasts_a_readers_patience() -> None:
    lengths = {module.path: len(module.text.splitlines()) for module in modules()}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_every_function_fits_on_a_screen() -> None:
    long = {
        f"{path}:{node.lineno} {node.name}": lines
        for path, syntax in sources().items()
        for node in ast.walk(syntax)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_every_file_name_has_a_subject() -> None:
    rooms = {
        path: {*Path(path).parent.parts, Path(path).stem} for path in texts("src/otpconv") | texts("tests")
    }
    assert [path for path, words in rooms.items() if words & WITHOUT_A_SUBJECT] == []


def test_no_test_pretends_with_mocks() -> None:
    mocks = ("unittest.mock", "mock", "pytest_mock")
    assert [
        f"{path}: {module}"
        for path, syntax in files_of_tests("mock").items()
        for module in modules_imported_by(syntax)
        if f"{module}.".startswith(tuple(f"{mock}." for mock in mocks))
    ] == []


@pytest.mark.parametrize("mark", ["long", "campaign"])
def test_every_test_that_is_long_or_left_to_the_campaign_gives_its_reason(mark: str) -> None:
    whole = f"pytest.mark.{mark}"
    assert any(f"@{whole}(" in text for text in texts("tests").values())
    in_doubt = rf"{re.escape(whole)}\b(?!\(\s*f?['\"][^'\"])"
    nodes = [(path, node) for path, syntax in files_of_tests(in_doubt).items() for node in ast.walk(syntax)]
    marks = {
        node: path
        for path, node in nodes
        if isinstance(node, ast.Attribute) and node.attr == mark and ast.unparse(node) == whole
    }
    explained = {
        node.func
        for _, node in nodes
        if isinstance(node, ast.Call)
        and node.args
        and not (isinstance(node.args[0], ast.Constant) and not node.args[0].value)
    }
    assert [f"{path}:{node.lineno}" for node, path in marks.items() if node not in explained] == []


def test_every_test_is_in_make_test_or_in_make_campaign_and_ci_runs_both() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.findall(r"\$\(PYTEST\) -m '([^']+)' \$\(ARGS\)$", makefile, re.MULTILINE) == [
        "not campaign",
        "campaign or rounds or hypothesis",
    ]
    commands = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert [line.split("#")[0].strip() for line in commands if line.startswith("make ")] == [
        "make lint",
        "make test",
        "make campaign CAMPAIGN=20",
    ]


def test_no_tracked_file_holds_a_path_of_somebodys_machine() -> None:
    assert sightings(SOMEBODYS_MACHINE) + sightings(SOMEBODYS_WINDOWS) == []


def test_no_tracked_file_names_a_package_registry() -> None:
    assert sightings(REGISTRY) == []


def test_the_changelog_has_a_heading_for_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert __version__ in re.findall(r"^## \[?([^\s\]]+)", changelog, re.MULTILINE)


def test_every_action_that_is_asked_for_is_one_that_policies_are_checked_against() -> None:
    native = {
        node.value
        for path, syntax in sources().items()
        if path.startswith(("src/otpconv/web/", "src/otpconv/dialects/"))
        for node in ast.walk(syntax)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[a-z0-9-]+:[A-Z]\w+", node.value)
    }
    of_vendors = {
        node.value
        for path, syntax in sources().items()
        if path.startswith("src/otpconv/dialects/")
        for node in ast.walk(syntax)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[a-z][a-z0-9-]*:[A-Z][A-Za-z]+", node.value)
    }
    signed = {
        f"{'sts' if operation.action == 'AssumeRole' else 'dysms'}:{operation.action}"
        for operation in OPERATIONS
    } | {f"dysms:{action}" for _, action in PASSED_ON}
    assert native | of_vendors | signed == set(ACTIONS)
