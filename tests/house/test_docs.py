"""What the documents must not leave out, and what they show must work."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import astuple
from typer.core import TyperGroup
from typer.main import get_group

from benchmarks.weight import PURPOSES, extras
from otpconv.access.policies.cautions import cautions
from otpconv.access.policies.document import parse_document
from otpconv.cli.main import app
from otpconv.config import Settings
from otpconv.model import OTHER
from otpconv.storage.bounds import BOUNDS

ROOT = Path(__file__).resolve().parents[2]
ACCESS = (ROOT / "docs/how-to/access.md").read_text(encoding="utf-8")
POLICIES = re.findall(r"^```json\n(.*?)^```", ACCESS, re.MULTILINE | re.DOTALL)
#: Blocks of code, in which nothing is a link or a heading.
_CODE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: The pages of the site.
SITE = [
    *PAGES,
    *(ROOT / f"{name}.md" for name in ("ARCHITECTURE", "CHANGELOG", "CONTRIBUTING", "benchmarks/README")),
]


def commands(group: TyperGroup, path: str = "otpconv") -> Iterator[str]:
    """The commands of a group and of those below, as one types them."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


def test_every_setting_is_in_the_reference() -> None:
    rows = re.findall(r"^\| ([^|]*) \|", (ROOT / "docs/reference/settings.md").read_text(), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert sorted(Settings.model_fields.keys() - listed) == []


def test_the_bounds_of_dimensions_are_in_the_rules() -> None:
    section = (ROOT / "docs/reference/semantics.md").read_text().partition("## Many values in one day")[2]
    rows = re.findall(r"^\| [^|]*\| ([0-9,]+) \|", section, re.MULTILINE)
    assert [int(row.replace(",", "")) for row in rows] == [*astuple(BOUNDS)]
    assert f"`{OTHER}`" in section


def test_every_command_is_in_a_document() -> None:
    documents = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    missing = []
    for command in commands(get_group(app)):
        # A command of a group may be written without `otpconv`, as `keys list`.
        words = command.removeprefix("otpconv ")
        written = rf"\b{re.escape(words if ' ' in words else command)}\b|`{re.escape(words)}`"
        if not re.search(written, documents):
            missing.append(command)
    assert missing == []


def test_every_dependency_is_weighed_and_has_a_purpose() -> None:
    page = (ROOT / "docs/reference/weight.md").read_text(encoding="utf-8")
    table = page.partition("| Dependency |")[2].partition("\n\n")[0]
    rows = {
        (extra, name): purpose
        for name, extra, purpose in re.findall(r"^\| ([\w-]+) \| (\w+) \|.*\| (.+) \|$", table, re.MULTILINE)
    }
    assert rows == {
        (extra or "none", name): PURPOSES[name][1] for extra, names in extras().items() for name in names
    }
    for extra in extras():
        assert f"`pip install otpconv{f'[{extra}]' if extra else ''}`" in page


@pytest.mark.parametrize("policy", POLICIES, ids=range(len(POLICIES)))
def test_every_policy_to_paste_is_one(policy: str) -> None:
    assert cautions(parse_document(policy)) == []


def test_there_are_policies_to_paste() -> None:
    assert len(POLICIES) >= 3


def test_every_link_from_a_page_leads_somewhere() -> None:
    assert [
        f"{page.relative_to(ROOT)}: {target}{part}"
        for page in SITE
        for target, part in re.findall(
            r"\]\(([^)#:]*)(#[^)]*)?\)", _CODE.sub("", page.read_text(encoding="utf-8"))
        )
        if not _leads_somewhere((page.parent / target) if target else page, part)
    ] == []


def _leads_somewhere(file: Path, part: str) -> bool:
    if not file.exists() or not part:
        return file.exists()
    text = file.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", _CODE.sub("", text), re.MULTILINE)
    # The anchors that GitHub and the site give them.
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return part.removeprefix("#") in anchors or f'id="{part[1:]}"' in text


def test_every_page_is_in_the_table_of_contents() -> None:
    trees = re.findall(
        r"^```{toctree}\n(.*?)^```", (ROOT / "docs/index.md").read_text(), re.MULTILINE | re.DOTALL
    )
    listed = {line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")}
    pages = {os.path.relpath(page.with_suffix(""), ROOT / "docs") for page in SITE}
    assert listed == pages - {"index"}


def test_a_dead_link_is_seen() -> None:
    index = ROOT / "docs/index.md"
    assert _leads_somewhere(index, "#reference")
    assert not _leads_somewhere(index, "#nothing")
    assert not _leads_somewhere(ROOT / "docs/nothing.md", "")
