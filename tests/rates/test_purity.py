"""Statistics, signals and rows are pure: only the modules that fetch know the ledger."""

import ast
from pathlib import Path

import otpconv.rates

FETCHING = {"answer", "costs", "current", "evidence", "fetch"}


def test_only_modules_that_fetch_import_the_ledger() -> None:
    modules = {
        path.stem: ast.parse(path.read_text("utf-8")) for path in Path(otpconv.rates.__path__[0]).glob("*.py")
    }
    importing = {
        name
        for name, tree in modules.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "otpconv.storage.contract"
        if "LedgerReader" in {alias.name for alias in node.names}
    }
    assert importing == FETCHING


def test_pure_modules_do_not_import_those_that_fetch() -> None:
    for path in Path(otpconv.rates.__path__[0]).glob("*.py"):
        if path.stem in FETCHING | {"__init__"}:
            continue
        imported = {
            node.module
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.ImportFrom)
        }
        assert not imported & {f"otpconv.rates.{name}" for name in FETCHING}, path
