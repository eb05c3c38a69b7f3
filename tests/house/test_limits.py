"""docs/reference/limits.md leaves out nothing that the source bounds, and no input of anybody."""

import ast
import functools
import re
import sys

import pytest
from typer.main import get_group

from otpconv.cli.main import app
from otpconv.dialects.alibaba import OPERATIONS
from tests.house.bounds import (
    PAGE,
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
from tests.house.not_bounds import NO_BOUND_NEEDED, NOT_BOUNDS
from tests.house.source import ROOT, routes

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


def test_every_row_is_complete_and_names_tests_that_exist() -> None:
    assert [f"{row.cells[0]}: {problem}" for row in ROWS for problem in problems(row)] == []


def problems(row: Row) -> list[str]:
    """What a row lacks."""
    last = row.cells[-1]
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", last)
    found = [f"tests/{file} has no test {test}" for file, test in named if test not in _tests(file)]
    if not named:
        found.append(f"name the test that holds it, as `web/v1/test_native_api.py::test_…`, not {last!r}")
    return found if all(row.cells) else [*found, "a cell is empty"]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (["`a.B`", "1", "", "refused", "`house/test_limits.py::test_there_are_routes`"], "a cell is empty"),
        (["`a.B`", "1", "why", "refused", "a test"], "name the test that holds it"),
        (
            ["`a.B`", "1", "why", "refused", "`house/test_limits.py::test_nothing`"],
            "has no test test_nothing",
        ),
        (["`a.B`", "1", "why", "refused", "`house/test_no_file.py::test_x`"], "has no test test_x"),
    ],
)
def test_what_a_row_lacks_is_seen(cells: list[str], problem: str) -> None:
    (found,) = problems(Row(1, cells))
    assert problem in found


@functools.cache
def _tests(file: str) -> set[str]:
    path = ROOT / "tests" / file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return set(re.findall(r"^ *(?:async )?def (\w+)\(", text, re.MULTILINE))


def commands() -> list[str]:
    """The commands and groups of commands, as one types them."""
    return [f"otpconv {name}" for name in get_group(app).commands]


def test_there_are_routes() -> None:
    assert {"GET /v1/rates", "POST /explorer/diagnosis", "GET /dashboard"} <= set(routes())


def test_every_input_is_listed() -> None:
    inputs = [*routes(), *(each.action for each in OPERATIONS), *commands()]
    assert [each for each in inputs if each not in LISTED] == [], (
        "Write a row for each into the tables of inputs in docs/reference/limits.md."
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
