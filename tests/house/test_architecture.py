"""ARCHITECTURE.md is about this tree: it lists its packages, and names no file that is not there."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/otpconv"
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATH = re.compile(r"`((?:[\w-]+/)+(?:[\w.-]+\.\w+)?|[\w-]+\.(?:py|toml|md|sql))`")


def packages() -> set[str]:
    """The modules of the package itself, and its packages down to the second level."""
    modules = {path.name for path in SOURCE.glob("*.py")} - {"__init__.py"}
    folders = {path.parent.relative_to(SOURCE) for path in SOURCE.rglob("__init__.py")}
    return modules | {f"{folder}/" for folder in folders if 0 < len(folder.parts) <= 2}


def test_the_packages_are_those_of_the_source_tree() -> None:
    table = TEXT.partition("| Package or module |")[2].partition("\n\n")[0]
    listed = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == packages()


def test_the_order_of_imports_is_the_contract_s() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [set(re.findall(r"\w+", layer.replace("(alerts)", ""))) for layer in contract["layers"]]
    sentence = TEXT.partition("in this order, and never from those above: ")[2].partition(".")[0]
    assert [set(re.findall(r"`(\w+)`", part)) for part in sentence.split(";")] == layers[1:]


def test_every_path_it_names_is_there() -> None:
    state = TEXT.partition("## State")[2].partition("## Invariants")[0]
    places = (ROOT, SOURCE)
    for text in (TEXT.replace(state, ""), CONTRIBUTING):
        named = [path for path in PATH.findall(text) if not re.search("[A-Z]{4}/", path)]  # e.g. VENDOR/
        assert named
        assert [path for path in named if not any((place / path).exists() for place in places)] == []
