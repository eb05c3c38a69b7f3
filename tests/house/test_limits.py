"""docs/reference/limits.md leaves out nothing that the source bounds, and no input of anybody."""

import ast
import functools
import re
import sys
from collections.abc import Iterator

import pytest
from typer.main import get_group

from house.bounds import (
    PAGE,
    ROOT,
    SOURCE,
    Bound,
    Row,
    Structure,
    bounds,
    new_row,
    numbers_in,
    refreshed,
    rows,
    structures,
    structures_in,
)
from house.not_bounds import NO_BOUND_NEEDED, NOT_BOUNDS
from otpconv.cli.main import app
from otpconv.dialects.alibaba import OPERATIONS

TEXT = PAGE.read_text(encoding="utf-8")
ROWS = rows(TEXT)
LISTED = {name for row in ROWS for name in row.names}
NO_BOUNDS = {name for names in NOT_BOUNDS.values() for name in names}
NEED_NONE = {name for names in NO_BOUND_NEEDED.values() for name in names}
UPDATE = "run `.venv/bin/python -m tests.house.bounds`"


@pytest.fixture(scope="module")
def known() -> dict[str, Bound]:
    """The bounds of the source; reading them imports all of it."""
    return bounds()


@pytest.fixture(scope="module")
def growing() -> dict[str, Structure]:
    """What grows or waits in the source."""
    return structures()


def test_every_number_that_bounds_something_has_a_row(known: dict[str, Bound]) -> None:
    missing = [bound for name, bound in known.items() if name not in LISTED | NO_BOUNDS]
    assert not missing, (
        "docs/reference/limits.md lacks rows for these. If a number bounds something, "
        f"{UPDATE}, which appends its row, and write what happens at the bound and which test holds it. "
        "If it does not, name it in tests/house/not_bounds.py, under a reason.\n"
        + "\n".join(f"{each.place}: {new_row(each)}" for each in missing)
    )


def test_every_row_has_the_value_and_the_reason_of_the_source(known: dict[str, Bound]) -> None:
    wrong = [
        f"line {number}: {now}"
        for number, (before, now) in enumerate(
            zip(TEXT.splitlines(), refreshed(TEXT, known).splitlines(), strict=True), start=1
        )
        if before != now
    ]
    assert not wrong, (
        f"docs/reference/limits.md is older than the source: {UPDATE}. It would say:\n" + "\n".join(wrong)
    )


def test_whatever_grows_or_waits_has_a_row_or_a_reason(
    known: dict[str, Bound], growing: dict[str, Structure]
) -> None:
    missing = [each for name, each in growing.items() if name not in LISTED | NEED_NONE | known.keys()]
    assert not missing, (
        "These grow or wait, and nobody says how far. Bound each, and write its row into the last table of "
        "docs/reference/limits.md; or name it in tests/house/not_bounds.py, under a reason.\n"
        + "\n".join(f"{each.place}: `{each.name}`: {each.what}" for each in missing)
    )


def test_nothing_is_listed_that_the_source_does_not_have(
    known: dict[str, Bound], growing: dict[str, Structure]
) -> None:
    there = known.keys() | growing.keys()
    named = {name for name in LISTED if re.fullmatch(r"(?:[a-z_]+\.)+\w+", name)}
    assert sorted(named - there) == []
    assert sorted(NO_BOUNDS - known.keys()) == []
    assert sorted(NEED_NONE - growing.keys()) == []


def test_nothing_is_both_a_bound_and_none() -> None:
    assert sorted(LISTED & (NO_BOUNDS | NEED_NONE)) == []


@pytest.mark.parametrize("row", ROWS, ids=[row.cells[0] for row in ROWS])
def test_every_row_is_complete_and_names_tests_that_exist(row: Row) -> None:
    cells = row.cells
    assert all(cells), "A cell is empty."
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", cells[-1])
    assert named, f"Name the test that holds it, as `web/v1/test_native_api.py::test_…`, not {cells[-1]!r}."
    for file, test in named:
        path = ROOT / "tests" / file
        assert path.is_file(), f"There is no tests/{file}."
        assert test in _tests(file), f"tests/{file} has no test {test}."


@functools.cache
def _tests(file: str) -> set[str]:
    syntax = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {
        node.name for node in ast.walk(syntax) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def routes(folder: str = "web") -> Iterator[str]:
    """The methods and paths that a folder of the server answers, from its `Route(…)` and `Page(…)`."""
    for path in sorted((SOURCE / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            called = getattr(node.func, "id", "")
            if called == "Page":
                yield f"{ast.literal_eval(node.args[1])} {node.args[0].value}"
            elif called == "Route":
                methods = next(each.value for each in node.keywords if each.arg == "methods")
                yield from (f"{method} {node.args[0].value}" for method in ast.literal_eval(methods))


def commands() -> list[str]:
    """The commands and groups of commands, as one types them."""
    return [f"otpconv {name}" for name in get_group(app).commands]


def test_there_are_routes() -> None:
    assert {"GET /v1/rates", "POST /explorer/diagnosis", "GET /dashboard"} <= set(routes())


@pytest.mark.parametrize("which", [*routes(), *(each.action for each in OPERATIONS), *commands()])
def test_every_input_is_listed(which: str) -> None:
    assert which in LISTED, (
        f"Write a row for `{which}` into the tables of inputs in docs/reference/limits.md."
    )


def test_every_cache_of_a_function_keeps_what_its_row_says(known: dict[str, Bound]) -> None:
    sizes = {}
    for name in known:
        module, _, attribute = name.rpartition(".")
        function = getattr(sys.modules.get(f"otpconv.{module}"), attribute, None)
        if hasattr(function, "cache_parameters"):
            sizes[name] = f"maxsize {function.cache_parameters()['maxsize']:,}"
    assert sizes == {name: known[name].value for name in sizes}
    assert len(sizes) >= 10


@pytest.mark.parametrize(
    "code",
    [
        "waiting = deque()",
        "waiting = deque([1])",
        "waiting = deque(others, maxlen=None)",
        "waiting = asyncio.Queue()",
        "@cache\ndef f(): ...",
        "@functools.cache\ndef f(): ...",
        "@lru_cache(maxsize=None)\ndef f(): ...",
        "class A:\n    def f(self): self.seen = {}",
        "class A:\n    def f(self): self.seen: dict[str, int] = defaultdict(int)",
        "def f(stream): return stream.read()",
        "def f(): asyncio.to_thread(print)",
        "def f(): loop.run_in_executor(None, print)",
        "def f(): connect(timeout=None)",
    ],
)
def test_what_has_no_bound_is_seen(code: str) -> None:
    assert [*structures_in("module", ast.parse(code))] != []


@pytest.mark.parametrize(
    ("code", "name", "value"),
    [
        ("Name = Annotated[str, Meta(max_length=128)]", "module.Name", "max_length 128"),
        ("class A:\n    port: Annotated[int, Field(ge=0, le=9)] = 1", "module.A.port", "ge 0, le 9"),
        ("@lru_cache(maxsize=64)\ndef f(): ...", "module.f", "maxsize 64"),
        ("class A:\n    def f(self): self.seen = deque(maxlen=5)", "module.A.seen", "maxlen 5"),
        (
            "class A:\n    def f(self): self.pool = ThreadPoolExecutor(3)",
            "module.A.pool",
            "ThreadPoolExecutor 3",
        ),
        ("async def f():\n    async with asyncio.timeout(2.5): ...", "module.f", "timeout 2.5"),
    ],
)
def test_a_number_in_a_call_is_seen(code: str, name: str, value: str) -> None:
    assert (name, value) in [(name, value) for name, value, _ in numbers_in("module", ast.parse(code))]
