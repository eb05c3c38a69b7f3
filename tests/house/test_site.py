"""The site of the documents: the generated pages are up to date, and it builds without a warning."""

import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typing_extensions import override

ROOT = Path(__file__).resolve().parents[2]
#: Tags that make a browser load what their attribute names.
LOADS = {"img": "src", "link": "href", "script": "src", "iframe": "src", "source": "src"}


class Assets(HTMLParser):
    """Collects what a page loads from other hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(LOADS.get(tag, "")) or ""
        if re.match(r"(?:[a-z]+:)?//", address):
            self.foreign.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by the words of `make docs`; a warning or a dead link fails the build."""
    folder = tmp_path_factory.mktemp("docs")
    words = "--quiet --fail-on-warning --keep-going --conf-dir docs --doctree-dir"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"$(BIN)/python -m sphinx {words} $(VENV)/doctrees . site\n" in makefile
    command = [
        sys.executable,
        "-m",
        "sphinx",
        *words.split(),
        str(folder / "doctrees"),
        ".",
        str(folder / "site"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "site"


def test_the_generated_pages_are_those_of_the_code() -> None:
    outdated = runpy.run_path(str(ROOT / "docs/generate.py"))["outdated"]()
    assert [*outdated] == [], "run `make reference`"


# About 6 s: Sphinx reads and writes every page.
@pytest.mark.campaign(
    "`make docs` fails as well, and test_docs.py finds dead links and pages that no contents list"
)
def test_every_document_is_a_page_of_the_site(site: Path) -> None:
    documents = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), ROOT / "benchmarks/README.md"]
    pages = [site / document.relative_to(ROOT).with_suffix(".html") for document in documents]
    assert [page for page in pages if not page.is_file()] == []
    first = re.findall(r"url=([^\"]+)", (site / "index.html").read_text(encoding="utf-8"))
    assert [(site / address).is_file() for address in first] == [True]


@pytest.mark.campaign(
    "`make docs` fails as well, and test_docs.py finds dead links and pages that no contents list"
)
def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    assets = Assets()
    pages = [*site.rglob("*.html")]
    for page in pages:
        assets.feed(page.read_text(encoding="utf-8"))
    assert len(pages) > 20
    assert assets.foreign == []
    styles = "".join(style.read_text(encoding="utf-8") for style in site.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\"']*", styles) == []


@pytest.mark.campaign(
    "`make docs` fails as well, and test_docs.py finds dead links and pages that no contents list"
)
def test_a_dead_link_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# First\n\n[second](second.md) [part](#parts)\n")
    words = ["--quiet", "--fail-on-warning", "--keep-going", "--conf-dir", str(ROOT / "docs")]
    command = [sys.executable, "-m", "sphinx", *words, str(tmp_path), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    assert done.returncode == 1
    assert "'second.md'" in done.stderr
    assert "'parts'" in done.stderr
