"""The search in the audit trail: what it finds, page by page, and whose lines it shows."""

import json
from pathlib import Path

import httpx
import pytest

from otpconv.audit import Line
from otpconv.web.pages.administration.trail import (
    MAX_LINES,
    MAX_READ_BYTES,
    OPERATOR_ACCOUNT,
    Found,
    Search,
    search_trail,
)
from web.pages.administration.forms import post

SHOP = Search(account=7, account_name="shop")


def written(path: Path, count: int, **fields: object) -> Path:
    """A trail with a line a second."""
    with path.open("a", encoding="utf-8") as file:
        for number in range(count):
            at = f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000Z"
            line = {"at": at, "who": f"LTAI{number}", "what": "CreateUser", "outcome": "done", "account": 7}
            file.write(json.dumps(line | fields) + "\n")
    return path


def all_pages(path: Path, search: Search) -> list[Found]:
    pages = [search_trail(path, search)]
    while pages[-1].before is not None:
        pages.append(search_trail(path, search, pages[-1].before))
        assert len(pages) < 1_000
    return pages


def lines(pages: list[Found]) -> list[Line]:
    return [line for page in pages for line in page.lines]


def test_the_newest_lines_come_first_and_every_line_once(tmp_path: Path) -> None:
    pages = all_pages(written(tmp_path / "audit", 1_234), SHOP)
    assert [line.who for line in lines(pages)] == [f"LTAI{number}" for number in reversed(range(1_234))]
    assert {len(page.lines) for page in pages[:-1]} == {MAX_LINES}


def test_a_search_reads_a_bounded_part_and_goes_on_there(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    written(path, 1, what="DeleteUser")
    written(path, 30_000)
    assert path.stat().st_size > MAX_READ_BYTES
    pages = all_pages(path, Search(7, "shop", what="deleteuser"))
    assert [line.what for line in lines(pages)] == ["DeleteUser"]
    assert len(pages) == -(-path.stat().st_size // MAX_READ_BYTES)
    assert pages[0].reached


@pytest.mark.parametrize(
    ("start", "end"), [(0, 10), (100, 101), (5_000, 5_100), (20_000, 30_000), (29_999, 40_000), (7, 7)]
)
def test_a_time_is_found_without_reading_all_that_is_newer(tmp_path: Path, start: int, end: int) -> None:
    path = written(tmp_path / "audit", 30_000)

    def iso(second: int) -> str:
        return f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000Z"

    pages = all_pages(path, Search(7, "shop", start=iso(start), end=iso(end)))
    expected = [f"LTAI{number}" for number in range(start, min(end, 30_000))]
    assert [line.who for line in reversed(lines(pages))] == expected


def test_who_what_and_outcome_narrow_a_search(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    written(path, 1, user="olga", what="CreateUser", subject="user shop/ivan")
    written(path, 1, user="ivan", what="otpconv:QueryRates", outcome="AccessDenied", **{"from": "192.0.2.7"})
    for search, who in (
        ({"who": "OLGA"}, ["olga"]),
        ({"who": "192.0.2."}, ["ivan"]),
        ({"what": "ivan"}, ["olga"]),
        ({"outcome": "done"}, ["olga"]),
        ({"outcome": "refused"}, ["ivan"]),
        ({"outcome": "accessdenied"}, ["ivan"]),
        ({"who": "nobody"}, []),
    ):
        assert [line.user for line in search_trail(path, Search(7, "shop", **search)).lines] == who


def test_an_account_sees_its_own_lines_and_operators_those_of_nobody(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    written(path, 1, user="own")
    written(path, 1, account=8, user="foreign")
    written(path, 1, account=0, who="cli:root", subject="user shop/x")
    written(path, 1, account=0, who="cli:root", subject="policy shopping/x")
    written(path, 1, account=0, who="LTAIunproven")
    seen = [line.user or line.who for line in search_trail(path, SHOP).lines]
    assert seen == ["cli:root", "own"]
    operator = search_trail(path, Search(OPERATOR_ACCOUNT, "default")).lines
    assert [line.who for line in operator] == ["LTAIunproven"]


@pytest.mark.parametrize("before", [0, 5, 10**12, 3 * 1024 * 1024])
def test_no_position_and_no_damage_makes_a_search_fail(tmp_path: Path, before: int) -> None:
    path = tmp_path / "audit"
    path.write_bytes(b'{"at": "half\n\xff\xfe\n[]\n' + b"x" * (MAX_READ_BYTES * 2) + b"\n\n{}\n")
    written(path, 3)
    assert len(lines(all_pages(path, SHOP))) == 3
    found = search_trail(path, SHOP, before)
    assert found.before is None or found.before < path.stat().st_size
    assert search_trail(tmp_path / "none", SHOP) == Found([], None, "")


def test_the_page_shows_changes_and_finds_them(admin: httpx.Client) -> None:
    post(admin, "/administration/users", name="olga")
    post(admin, "/administration/users", name="olga")
    page = admin.get("/administration/audit").text
    assert page.count("<tr>") == 3
    page = admin.get("/administration/audit", params={"what": "olga", "outcome": "refused"}).text
    assert page.count("<tr>") == 2
    assert "InvalidRequest" in page
    page = admin.get("/administration/audit", params={"who": "<b>", "before": "x"}).text
    assert "No line matches." in page
    assert "<b>" not in page


def test_a_time_that_is_none_is_refused_at_its_field(admin: httpx.Client) -> None:
    answer = admin.get("/administration/audit", params={"start": "never"})
    assert answer.status_code == 400
    assert 'id="start-problem"' in answer.text
