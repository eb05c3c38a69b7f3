"""The site of the documents: `make docs` builds it with Sphinx, and fails on any warning or dead link.

The pages are plain Markdown, which GitHub shows too. So the source folder is the whole repository: links from
`docs/` to README.md or ARCHITECTURE.md are the same on both.
"""

from pathlib import Path
from typing import Any

from otpconv import __version__

project = "otpconv"
version = release = __version__
html_title = f"otpconv {__version__}"
html_theme = "furo"
html_static_path: list[str] = []
html_copy_source = False
html_show_copyright = False

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
]
# Searching folders such as .venv and .git, which have many thousand files, took a third of each build.
exclude_patterns = [".*"]

# Headings get the anchors that GitHub gives them.
myst_heading_anchors = 4
nitpicky = True
# Some code blocks are in no language that the highlighter knows, e.g. CSV.
suppress_warnings = ["misc.highlighting_failure"]


def setup(app: Any) -> None:
    """Let the site's first address lead to its first page."""
    app.connect("build-finished", _write_first_page)


def _write_first_page(app: Any, error: Exception | None) -> None:
    if error is None:
        refresh = '<meta http-equiv="refresh" content="0; url=docs/index.html">'
        page = f"<!doctype html><title>otpconv</title>{refresh}"
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")
