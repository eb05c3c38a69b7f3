"""Phrases that make prose hard to read stay out of documents, pages, the help of commands, and comments."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from otpconv.cli.main import app
from tests.house.source import tracked

#: Regular expressions of phrases, by what to write instead.
PHRASES = {
    "again": r"anew",
    "fix": r"mend(?:s|ed|ing)?",
    "is not a, no longer, there is no": r"(?<!there )(?:is|are|was|were) no(?! longer\b| more than\b)",
    "reported, given or logged": r"told",
    "overrides": r"goes before",
    "a noun instead of a clause": r"what (?:is|was|are|were|came|comes)(?![^.;|]*\?)",
    "lookup as a noun, look up as a verb": r"look-ups?|lookup(?= (?:a|an|the|each|every)\b)",
    "login as a noun, log in as a verb": r"log-ins?(?!-flow)",
}
#: The tracked files to check; of Python files, only docstrings and comments, and in src/ the strings too; of
#: files with these ends, only comments, which begin so.
FILES = re.compile(
    r".*\.md|deploy/.*\.(?:yml|json)|src/otpconv/web/templates/.*\.html|(?:src|tests|benchmarks)/.*\.py"
    r"|src/.*\.(?:sql|js|toml)|pyproject\.toml|Makefile"
)
COMMENTS = {".sql": "--", ".js": "//", ".toml": "#", "Makefile": "#"}

_EACH = [(advice, re.compile(rf"\b(?:{phrase})\b", re.IGNORECASE)) for advice, phrase in PHRASES.items()]
#: Any of them, in lower case: far faster.
_ANY = re.compile(rf"\b(?:{'|'.join(PHRASES.values())})\b")
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def helps(command: Any, path: str = "otpconv") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - of typer's click
    """Yield what `--help` shows of a command and of those below, after how one types it."""
    texts = [command.help, command.epilog, *(getattr(option, "help", None) for option in command.params)]
    yield path, "\n".join(filter(None, texts))
    for name, below in getattr(command, "commands", {}).items():
        yield from helps(below, f"{path} {name}")


def problems(text: str) -> list[str]:
    """Return the lines of a text that hold a phrase, each with the advice; code is left out."""
    # Code becomes as many line breaks, so that the numbers of lines stay.
    prose = _CODE.sub(lambda code: "`" + "\n" * code[0].count("\n"), text)
    return [
        f"{prose.count(chr(10), 0, match.start()) + 1}: {' '.join(match[0].split())!r}; write: {advice}"
        for advice, pattern in _EACH
        for match in pattern.finditer(prose)
    ]


def prose_of(source: str, *, strings: bool = False) -> str:
    """Return the docstrings and comments of Python source, each on its own line; other lines are empty.

    With `strings`, also the strings with a space, such as the texts of errors.
    """
    lines = source.splitlines()
    kept = [""] * (len(lines) + 1)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            kept[token.start[0] - 1] = token.string
    nodes = [*ast.walk(ast.parse(source))]
    for node in nodes if strings else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            kept[node.lineno - 1] += " " + node.value.replace("\n", " ")
    for node in nodes:
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node) is not None:
            docstring = node.body[0]
            kept[docstring.lineno - 1 : docstring.end_lineno] = lines[
                docstring.lineno - 1 : docstring.end_lineno
            ]
    return "\n".join(kept)


def comments_of(path: str, text: str) -> str:
    """Return the comments of a file, each on its own line; all of a file that is not code."""
    mark = next((mark for end, mark in COMMENTS.items() if path.endswith(end)), "")
    return "\n".join(line.partition(mark)[2] for line in text.splitlines()) if mark else text


def test_files_that_people_read_are_free_of_the_phrases() -> None:
    read = {path: text for path, text in tracked().items() if FILES.fullmatch(path)}
    assert "README.md" in read
    # Reading Python takes long, so only files in which a phrase stands somewhere are read.
    suspects = {path: text for path, text in read.items() if _ANY.search(text.lower())}
    assert [
        f"{path}:{problem}"
        for path, text in suspects.items()
        for problem in problems(
            prose_of(text, strings=path.startswith("src/"))
            if path.endswith(".py")
            else comments_of(path, text)
        )
    ] == []


def test_the_help_of_every_command_is_free_of_the_phrases() -> None:
    pages = dict(helps(get_command(app)))
    assert "Create, list, rotate" in pages["otpconv keys"]
    assert [f"{path}:{problem}" for path, text in pages.items() for problem in problems(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "The host is looked up anew.",
        "The operator mends it.",
        "This is no login.",
        "It is told\nto wait.",
        "It goes before the header.",
        "Return what is older.",
        "The look-up of a host.",
        "Failed log-ins wait.",
    ],
)
def test_a_phrase_is_found(text: str) -> None:
    assert len(problems(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "It is no longer read; there is no limit, and it is no more than 5.",
        "What is an OTP?",
        "Look up the host; see [the flow](log-in-flow.md).",
        "The column `told`.",
        "```\nanew\n```\n",
    ],
)
def test_good_prose_and_code_are_left_alone(text: str) -> None:
    assert problems(text) == []


def test_a_problem_has_the_number_of_its_line() -> None:
    assert problems("```\na\nb\n```\nIt is made anew.")[0].startswith("5: ")


def test_only_comments_of_other_code_are_read() -> None:
    assert comments_of("a.sql", "SELECT told -- anew\nFROM told") == " anew\n"
    assert comments_of("a.md", "told") == "told"


def test_only_docstrings_and_comments_of_python_are_read() -> None:
    source = 'def f():\n    """Mend it."""\n    return "made anew"  # is no text\n'
    assert [problem.partition(":")[0] for problem in problems(prose_of(source))] == ["2", "3"]
    strings = problems(prose_of(source, strings=True))
    assert sorted(problem.partition(":")[0] for problem in strings) == ["2", "3", "3"]
    assert len(problems(prose_of('f(f"{name} is no limit")', strings=True))) == 1
