"""Price lists by command: imported from CSV, listed, deleted, and refused with the number of the line."""

import json
import re
from pathlib import Path

import pytest

from cli.commands import Run

pytestmark = pytest.mark.long("each test runs several commands against the shared server")

FILE = """\ufeffProvider, country ,channel,price,currency,from
acme,DE,,0.075,EUR,2026-01-01
acme,DE,,0.08,eur,2026-02-01T00:30Z

"a, b",,,1,USD,
"""


def test_a_file_is_imported_listed_and_deleted(at: Run, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(FILE, encoding="utf-8")
    imported = at("prices", "import", file, "--tz", "Europe/Berlin")
    assert (imported.stderr, imported.returncode) == ("", 0)
    assert imported.stdout == "3 prices added, 0 replaced, 0 removed, 3 in the list\n"
    prices = json.loads(at("prices", "list", "--json").stdout)
    assert [price["price"] for price in prices] == ["1", "0.075", "0.08"]
    assert [price["from"] for price in prices] == [None, 1_767_222_000_000, 1_769_904_000_000]
    table = at("prices", "list", "--tz", "Europe/Berlin").stdout
    for text in ("a, b", "any", "always", "2026-01-01 00:00"):
        assert text in table
    file.write_text("price,currency\n0.5,EUR\n")
    replaced = json.loads(at("prices", "import", file, "--replace", "--json").stdout)
    assert replaced == {"added": 1, "replaced": 0, "removed": 3, "prices": 1}
    assert "0 removed" in at("prices", "delete", "--provider", "acme").stdout
    assert "1 removed" in at("prices", "delete", "--all").stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column"),
        ("price\n1\n", "no column currency"),
        ("price,currency,carrier\n1,EUR,x\n", "unknown column 'carrier'"),
        ("price,currency\n1,EUR\n0.0000001,EUR\n", "line 3: Invalid price '0.0000001'"),
        ("price,currency\n1,EURO\n", "line 2: Invalid currency"),
        ("price,currency,from\n1,EUR,some day\n", "line 2: Invalid from"),
        ("price,currency\n1,EUR,x\n", "line 2: it has more cells"),
        ("price,currency\n1\n", "line 2: Invalid currency ''"),
        ("price,currency,country\n1,EUR,Germany\n", "two letters"),
    ],
)
def test_a_file_with_a_mistake_is_refused_in_one_line(at: Run, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(text)
    refused = at("prices", "import", file)
    assert refused.returncode in {1, 2}
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert json.loads(at("prices", "list", "--json").stdout) == []


def test_the_example_of_the_how_to_is_imported_as_written(at: Run, tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[2] / "docs/how-to/prices.md"
    (example,) = re.findall(r"^```csv\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    file = tmp_path / "prices.csv"
    file.write_text(example)
    imported = at("prices", "import", file)
    assert imported.stdout == "4 prices added, 0 replaced, 0 removed, 4 in the list\n"
    assert "3 removed" in at("prices", "delete", "--provider", "acme").stdout
    (rest,) = json.loads(at("prices", "list", "--json").stdout)
    assert (rest["channel"], rest["price"], rest["currency"]) == ("voice", "0.02", "USD")
    at("prices", "delete", "--all")


def test_a_file_that_is_too_large_is_refused(at: Run, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("price,currency\n" + "1,EUR\n" * 700_000)
    refused = at("prices", "import", file)
    assert refused.returncode
    assert "over 4 MiB" in refused.stderr


def test_a_deletion_needs_a_clear_choice(at: Run) -> None:
    for words in ((), ("--all", "--country", "DE"), ("--from", "some day")):
        refused = at("prices", "delete", *words)
        assert refused.returncode
        assert len(refused.stderr.splitlines()) == 1
