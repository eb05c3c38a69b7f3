"""The tables of OTP-Bench."""

import pytest

from benchmarks.otpbench.results import Result
from benchmarks.otpbench.scoring import Series
from benchmarks.otpbench.table import BEGIN, END, tables, written

FAULT = [(100, 200)]


def result(scene: str, alarms: list[int], *, named: bool = True) -> Result:
    series = Series(FAULT if scene == "dead" else [], alarms)
    after = [alarms[0] - 100] if named and scene == "dead" and alarms else []
    return Result(scene, 0, len(series.windows), series, series, after, len(alarms), len(alarms) - len(after))


def test_the_best_detector_comes_first_with_its_scores() -> None:
    text = tables(
        {
            "noisy": [result("dead", [10, 20, 30]), result("calm", [5])],
            "good": [result("dead", [100]), result("calm", [])],
        },
        {"good": [result("dead", [100, 150])]},
    )
    lines = text.splitlines()
    assert lines[4] == "| good | 100.0 | 100.0 | 100.0 | 1 of 1 | 0.0 |"
    assert lines[5].startswith("| noisy | -22.0 |")
    assert "| dead | 1 of 1 (0) | 1 of 1 (2) |" in lines
    assert "| calm | (0) | (1) |" in lines
    assert lines[-1] == "| good | 1 of 1 | 2 | 1 (50%) |"


def test_a_page_gets_the_tables_between_its_markers() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert written(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    with pytest.raises(ValueError, match="lacks the lines"):
        written("no markers", "new")
