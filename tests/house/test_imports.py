"""The import rules of pyproject.toml: they hold on this tree, and each of them can still say no."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = "from importlinter.cli import lint_imports; exit(lint_imports(no_cache=True, no_logo=True))"

DOWN = "Imports point down"
PURE = "Dialects and the law are pure: no I/O"
CLIENT = "The client side installs alone: no server libraries"
REPORTER = "The reporter installs alone: no libraries of the server or the command line"
ENGINES = "Only the composition root knows which engine it is"
ROOMS = "A framework's users need the reporter alone: none of the server's packages"
NOBODY = "Nobody needs a framework: nothing imports contrib"
LEDGER = "The ledger does not know who may call"
CYCLES = "No cycles between siblings"

# A module, what it shall wrongly import, the contract that must object.
VIOLATIONS = [
    ("errors", "otpconv.clock", DOWN),
    ("clock", "otpconv.model", DOWN),
    ("model", "otpconv.ledger", DOWN),
    ("phone", "otpconv.rates", DOWN),
    ("dialects", "otpconv.access", DOWN),
    ("access", "otpconv.ledger", DOWN),
    ("ledger", "otpconv.access", LEDGER),
    ("rates", "otpconv.web", DOWN),
    ("config", "otpconv.service.compose", DOWN),
    ("service", "otpconv.cli", DOWN),
    ("errors", "os", PURE),
    ("model", "threading", PURE),
    ("dialects", "sqlite3", PURE),
    ("dialects.newcomer", "asyncio", PURE),
    ("dialects.newcomer", "apsw", PURE),
    ("dialects.newcomer", "cryptography", CLIENT),
    ("clock", "pydantic_settings", CLIENT),
    ("web", "otpconv.storage.sqlite", ENGINES),
    ("cli", "otpconv.storage.sqlite.access", ENGINES),
    ("access.newcomer", "otpconv.storage.sqlite.access", ENGINES),
    ("reporter", "otpconv.contrib", DOWN),
    ("contrib", "otpconv.cli", DOWN),
    ("reporter", "typer", REPORTER),
    ("reporter.newcomer", "rich", REPORTER),
    ("reporter.brokers", "httpx", REPORTER),
    ("contrib.flask", "httpx", REPORTER),
    ("contrib", "otpconv.web", ROOMS),
    ("contrib.newcomer", "otpconv.config", ROOMS),
    ("contrib.django", "otpconv.ledger", ROOMS),
    ("cli", "otpconv.contrib.flask", NOBODY),
]


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of `tree` in a process of its own, which sees that tree's otpconv and no other."""
    return subprocess.run(  # noqa: S603 - our own interpreter, our own words
        [sys.executable, "-c", LINT],
        cwd=tree,
        env={"PYTHONPATH": str(tree / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def inject(tree: Path, module: str, line: str) -> None:
    """Append a line to a module of `tree`, which may be a package, or not be there yet."""
    place = tree / "src" / "otpconv" / module.replace(".", "/")
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    with file.open("a", encoding="utf-8") as text:
        text.write(f"\n{line}\n")


def copy_of_the_tree(folder: Path) -> Path:
    """A copy of the tree to do harm to."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_this_tree_keeps_every_import_contract() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the check says of a tree with all of the wrong imports."""
    tree = copy_of_the_tree(tmp_path_factory.mktemp("wrong"))
    for module, imported, _ in VIOLATIONS:
        inject(tree, module, f"import {imported}")
    inject(tree, "model", "def late() -> None:\n    import otpconv.service.compose")
    inject(tree, "web.first", "import otpconv.web.second")
    inject(tree, "web.second", "import otpconv.web.first")
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("contract", dict.fromkeys(contract for _, _, contract in VIOLATIONS))
def test_each_wrong_import_breaks_its_contract(wrong: str, contract: str) -> None:
    assert f"{contract} BROKEN" in wrong
    # Of each broken contract, in their order, after the list of all.
    said = wrong.partition("Broken contracts")[2].partition(f"\n{contract}\n---")[2].partition("\n---")[0]
    assert [
        f"otpconv.{module} -> {imported}"
        for module, imported, broken in VIOLATIONS
        if broken == contract and f"otpconv.{module} -> {imported} (l." not in said
    ] == []


def test_an_import_inside_a_function_is_seen_too(wrong: str) -> None:
    assert "otpconv.model -> otpconv.service.compose (l." in wrong


def test_two_neighbours_that_import_each_other_break_the_rule_of_siblings(wrong: str) -> None:
    assert f"{CYCLES} BROKEN" in wrong


def test_a_new_top_level_module_without_a_place_breaks_the_house(tmp_path: Path) -> None:
    tree = copy_of_the_tree(tmp_path)
    inject(tree, "newcomer", "")
    (tree / "src/otpconv/stranger").mkdir()
    inject(tree, "stranger.__init__", "")
    done = lint(tree)
    assert done.returncode == 1
    assert f"{DOWN} BROKEN" in done.stdout
    assert "- otpconv.newcomer" in done.stdout
    assert "- otpconv.stranger" in done.stdout
