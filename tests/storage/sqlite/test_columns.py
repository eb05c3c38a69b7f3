"""Lists of columns in statements: written once, and all that SQLite reads is written out."""

from otpconv.model import DELAY_BINS
from otpconv.storage.contract import DIMENSIONS
from otpconv.storage.sqlite.connection import statements
from otpconv.storage.statements import write_out


def test_a_list_has_an_item_for_each_count_bin_and_dimension() -> None:
    counts = write_out("SELECT {count: sum($count)} FROM rollups")
    assert counts == (
        "SELECT sum(requested), sum(verified), sum(first_requested), sum(first_verified), sum(sessions),"
        " sum(sessions_verified), sum(reported), sum(receipted), sum(delivered), sum(delivered_verified)"
        " FROM rollups"
    )
    bins = write_out("{bin: d.d$bin + r.d$bin}")
    assert bins == ", ".join(f"d.d{number} + r.d{number}" for number in range(DELAY_BINS))

    dimensions = write_out("{dimension: d.$dimension}")
    assert dimensions == ", ".join(f"d.{name}" for name in DIMENSIONS)


def test_text_without_a_list_stays_as_it_is() -> None:
    text = "SELECT '{' || json_group_object($name, ?) || '}', ':count', {other: 1}"
    assert write_out(text) == text


def test_the_statements_that_are_run_have_their_lists_written_out() -> None:
    text = "".join(
        "".join(statements(f"{name}.sql").values())
        for name in ("ledger/schema", "ledger/changes", "ledger/queries", "health")
    )
    assert "{count" not in text
    assert "{bin" not in text
    assert "d.d34 + coalesce(r.d34, 0)" in text
