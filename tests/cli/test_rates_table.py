"""The table of `otpconv rates` in a terminal of any width."""

from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, strategies as st
from rich.cells import cell_len

from otpconv.cli.rates_table import rates_table
from otpconv.cli.rates_view import View
from otpconv.cli.terminal import console_of
from otpconv.storage.contract import DIMENSIONS

#: Names without digits: a long name may be cut, and a number may not.
NAMES = st.text(
    st.sampled_from("aZ -_.é\u0301ßжñ中国移动한국어テンプレート😀👩\u200d💻\u202e\t\n"),
    min_size=1,
    max_size=60,
)
COUNTS = st.one_of(st.integers(0, 9), st.integers(0, 10**6), st.integers(0, 10**15))
RATES = st.none() | st.floats(0, 1)
CHANGES = st.none() | st.floats(-1, 1)
TIMES = st.none() | st.integers(0, 86_400_000)
ZONES = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
ORDERS = st.sampled_from(["", "-requested", "p99_ms", "-rate_low", "reported_share", "-change"])
#: Near the end of summer time in Europe, when an hour happens twice.
BEGIN = 1_792_886_400_000


@st.composite
def answers(draw: st.DrawFn) -> tuple[dict[str, Any], list[str]]:
    """Generate an answer of `/v1/rates`, and its dimensions."""
    dimensions = draw(st.lists(st.sampled_from(DIMENSIONS), unique=True))
    compared, timed = draw(st.booleans()), draw(st.booleans())
    step = draw(st.sampled_from([60_000, 3_600_000, 86_400_000]))
    rows = []
    for n in range(draw(st.integers(0, 6))):
        row: dict[str, Any] = {name: draw(st.none() | NAMES) for name in dimensions}
        row |= {name: draw(COUNTS) for name in ("requested", "verified", "pending", "before_requested")}
        row |= {name: draw(RATES) for name in ("rate", "rate_low", "rate_high", "rate_expected")}
        row |= {name: draw(TIMES) for name in ("p50_ms", "p90_ms", "p99_ms")}
        row |= {"reported_share": draw(RATES), "before_rate": draw(RATES)}
        if compared:
            row |= {name: draw(CHANGES) for name in ("change", "change_low", "change_high")}
        if timed:
            row["start"] = BEGIN + n * step
        if dimensions and draw(st.booleans()):
            row = {key: value for key, value in row.items() if key not in dimensions}
            row["other"] = draw(st.integers(1, 2_000))
        rows.append(row)
    answer = {
        "start": BEGIN,
        "end": BEGIN + 10 * step,
        "denominator": "messages requested",
        "rows": rows,
        "unmatched": draw(COUNTS),
        "folded": draw(COUNTS),
        "lag": draw(COUNTS),
        "maturity": None,
        "self_reported": [],
        "self_reported_left_out": draw(COUNTS),
    }
    return answer | ({"compared": {}} if compared else {}), dimensions


def lines_of(
    answer: dict[str, Any], dimensions: list[str], zone: ZoneInfo, width: int, order: str
) -> list[str]:
    """Return the lines that a terminal of this width shows."""
    console = console_of(width)
    with console.capture() as captured:
        for part in View(dimensions, zone, order, width=width).parts(answer):
            console.print(part)
    return captured.get().splitlines()


@given(answers(), st.integers(40, 250), ZONES, ORDERS)
def test_no_line_is_longer_than_the_terminal_and_no_number_is_cut_or_wrapped(
    generated: tuple[dict[str, Any], list[str]], width: int, zone: ZoneInfo, order: str
) -> None:
    answer, dimensions = generated
    lines = lines_of(answer, dimensions, zone, width, order)
    assert max(map(cell_len, lines)) <= width
    whole = rates_table(answer, dimensions, zone)
    shown = rates_table(answer, dimensions, zone, width=width, order=order)
    names = [str(column.header) for column in shown.table.columns]
    assert "rate" in names
    numbers = [column for column in whole.table.columns if column.justify == "right"]
    cells = {str(column.header): list(map(str, column.cells)) for column in numbers}
    assert [name for name in cells if name in names] == [name for name in names if name in cells]
    assert sorted([*shown.dropped, *(name for name in names if name in cells)]) == sorted(cells)
    # The table's lines: a header, and one for each row, which ends with its numbers.
    header = next(place for place, line in enumerate(lines) if line.split()[-1:] == names[-1].split()[-1:])
    for place, row in enumerate(answer["rows"]):
        line = lines[header + 1 + place]
        numbers_of_row = [cells[name][place] for name in names if name in cells]
        for number in reversed(numbers_of_row):
            assert line.rstrip().endswith(number)
            line = line.rstrip().removesuffix(number)
        if "other" in row:
            assert f"({row['other']:,}" in line


def row(change: tuple[float, float, float] | None) -> dict[str, Any]:
    """Return a row with a change and its interval."""
    names = ("rate", "rate_low", "rate_high", "rate_expected", "reported_share", "before_rate")
    counts = {"requested": 1_234_567, "verified": 1_000_000, "pending": 0}
    changes = dict(zip(("change", "change_low", "change_high"), change or (None,) * 3, strict=True))
    return dict.fromkeys(names, 0.5) | counts | changes | dict.fromkeys(("p50_ms", "p90_ms", "p99_ms"))


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({"FORCE_COLOR": "1"}, 1), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, 0), ({}, 0)],
)
def test_only_what_is_surely_worse_is_red_and_only_on_a_terminal_that_wants_colours(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], coloured: int
) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", **variables}.items():
        monkeypatch.setenv(name, value)
    rows = [row((-0.1, -0.2, -0.01)), row((-0.1, -0.2, 0.01)), row((0.1, 0.05, 0.2)), row(None)]
    console = console_of(120)
    with console.capture() as captured:
        console.print(rates_table({"rows": rows, "compared": {}}, [], ZoneInfo("UTC"), width=120).table)
    lines = captured.get().splitlines()
    assert [place for place, line in enumerate(lines) if "\x1b[31m" in line] == [1] * coloured
    assert lines[1].count("1,234,567") == 1


def test_the_first_contradictions_are_explained_below_the_table() -> None:
    mix = {"change_same_mix": 0.01, "change_same_mix_low": -0.01, "change_same_mix_high": 0.03}
    rows = [
        row((-0.1, -0.12, -0.08))
        | mix
        | {"country": f"C{n}", "contradiction": "The rate fell because of the mix."}
        for n in range(5)
    ]
    answer: dict[str, Any] = {"start": 0, "end": 86_400_000, "rows": rows, "compared": {}, "maturity": None}
    answer |= {"denominator": "messages requested", "unmatched": 0, "folded": 0, "lag": 0}
    answer |= {"self_reported": [], "self_reported_left_out": 0}
    lines = lines_of(answer, ["country"], ZoneInfo("UTC"), 200, "")
    assert "same mix" in "".join(lines)
    assert [line for line in lines if "because of the mix" in line] == [
        f"C{n}: The rate fell because of the mix." for n in range(3)
    ]
