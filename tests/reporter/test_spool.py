"""The spool and its backlog: bounded, shared, and what overflows is counted."""

from collections import Counter
from pathlib import Path
from typing import cast

import msgspec
import pytest

from otpconv.delivery.dead_letters import DeadLetter, DeadLetters
from otpconv.delivery.reports import SEALED, conversion, line_of, read_line
from otpconv.reporter.backlog import Backlog, SpooledParcel
from otpconv.reporter.inspection import look
from otpconv.reporter.limits import SEGMENT_BYTES, SMALLEST_BYTES, Limits, Overflow
from otpconv.reporter.requeue import put_back
from otpconv.reporter.segments import segments
from otpconv.reporter.spool import Spool

THEN = 1_700_000_000_000
LIMITS = Limits(64 * SEGMENT_BYTES, 3_600_000, "drop-oldest")


class Lost(Counter[str]):
    """Counts losses by reason."""

    def add(self, reason: str, count: int) -> None:
        self[reason] += count


@pytest.fixture
def lost() -> Lost:
    return Lost()


def line(number: int) -> bytes:
    return line_of(0, conversion(f"m{number}", True, THEN, None))


def fill(spool: Spool, count: int, first: int = 0) -> int:
    return sum(spool.append(line(number), 1) for number in range(first, first + count))


def ids(items: list[SpooledParcel]) -> list[str]:
    return [item.report.body.split(b'"message_id":"')[1].split(b'"')[0].decode() for item in items]


def drained(backlog: Backlog) -> list[str]:
    found: list[str] = []
    backlog.claim("there")
    for _ in range(1000):
        items = backlog.read(1000)
        if not items:
            break
        found += ids(items)
        for item in items:
            backlog.settle(item)
        backlog.keep()
    return found


def test_what_was_spooled_comes_back_in_order_over_many_segments(tmp_path: Path, lost: Lost) -> None:
    spool = Spool(tmp_path / "spool", LIMITS, lost.add)
    assert fill(spool, 10_000) == 10_000
    assert len(segments(tmp_path / "spool")) > 2
    assert not spool.delivered()
    assert drained(Backlog(spool, lost.add)) == [f"m{number}" for number in range(10_000)]
    assert spool.delivered()
    assert spool.pending()[0] == 0
    spool.close()
    assert segments(tmp_path / "spool") == []
    assert not lost


def test_only_one_process_delivers_a_spool_and_the_next_takes_over(tmp_path: Path, lost: Lost) -> None:
    first, second = (Spool(tmp_path, LIMITS, lost.add) for _ in range(2))
    fill(first, 3)
    fill(second, 3, first=3)
    one, other = Backlog(first, lost.add), Backlog(second, lost.add)
    one.claim("there")
    other.claim("there")
    assert (one.claimed, other.claimed) == (True, False)
    assert other.read(10) == []
    items = one.read(10)
    assert sorted(ids(items)) == [f"m{number}" for number in range(6)]
    for item in items[:2]:
        one.settle(item)
    one.keep()
    one.release()
    assert sorted(drained(other)) == sorted(ids(items[2:]))


def test_a_spool_that_is_delivered_to_somewhere_else_is_a_problem_that_is_told(
    tmp_path: Path, lost: Lost
) -> None:
    one, other = (Backlog(Spool(tmp_path, LIMITS, lost.add), lost.add) for _ in range(2))
    one.claim("http://one")
    other.claim("http://other")
    assert "http://one" in other.problem
    one.release()
    other.claim("http://other")
    assert other.claimed


def test_the_oldest_segments_give_way_when_the_spool_is_full(tmp_path: Path, lost: Lost) -> None:
    spool = Spool(tmp_path, Limits(SMALLEST_BYTES, 3_600_000, "drop-oldest"), lost.add)
    assert fill(spool, 20_000) == 20_000
    assert sum(size for _, size in segments(tmp_path)) <= SMALLEST_BYTES
    kept = drained(Backlog(spool, lost.add))
    assert kept == [f"m{number}" for number in range(20_000 - len(kept), 20_000)]
    assert lost == {"overflow": 20_000 - len(kept)}


@pytest.mark.parametrize("overflow", ["drop-newest", "block"])
def test_the_newest_reports_give_way_when_that_is_chosen(tmp_path: Path, lost: Lost, overflow: str) -> None:
    spool = Spool(tmp_path, Limits(SMALLEST_BYTES, 3_600_000, cast("Overflow", overflow)), lost.add)
    taken = fill(spool, 20_000)
    assert taken < 20_000
    assert sum(size for _, size in segments(tmp_path)) <= SMALLEST_BYTES
    assert drained(Backlog(spool, lost.add)) == [f"m{number}" for number in range(taken)]


def test_segments_of_another_process_count_and_are_not_dropped_while_it_writes(
    tmp_path: Path, lost: Lost
) -> None:
    limits = Limits(SMALLEST_BYTES, 3_600_000, "drop-oldest")
    spools = [Spool(tmp_path, limits, lost.add) for _ in range(4)]
    assert all(fill(spool, 1, first=number) for number, spool in enumerate(spools))
    late = Spool(tmp_path, limits, lost.add)
    assert fill(late, 1, first=4) == 0
    spools[0].close()
    assert fill(Spool(tmp_path, limits, lost.add), 1, first=5) == 1
    assert lost == {"overflow": 1}


def test_a_number_is_never_in_clear_on_the_disk(tmp_path: Path, lost: Lost) -> None:
    spool = Spool(tmp_path, LIMITS, lost.add)
    for number in range(3):
        spool.append(
            line_of(0, conversion(f"m{number}", True, THEN, "+4915112345678")),
            1,
            has_number=True,
        )
    backlog = Backlog(spool, lost.add)
    backlog.claim("there")
    items = backlog.read(10)
    for path in tmp_path.iterdir():
        assert b"15112345678" not in path.read_bytes()
    assert [item.report.flags for item in items] == [SEALED] * 3
    assert all(b'"to":"+4915112345678"' in spool.in_clear(item.report).body for item in items)


def test_reports_wait_in_memory_while_there_is_no_folder_and_go_there_later(
    tmp_path: Path, lost: Lost
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    spool = Spool(blocked / "spool", LIMITS, lost.add)
    assert fill(spool, 3) == 3
    assert spool.append(line_of(0, conversion("m3", True, THEN, "+4915112345678")), 1, has_number=True)
    assert spool.problem
    assert len(spool.memory) == 4
    blocked.unlink()
    spool._again_at = 0.0  # noqa: SLF001 - instead of waiting a second
    spool.heal(1)
    assert (spool.problem, len(spool.memory), spool.reported) == ("", 0, 4)
    assert all(b"15112345678" not in path.read_bytes() for path in (blocked / "spool").iterdir())
    assert drained(Backlog(spool, lost.add)) == ["m0", "m1", "m2", "m3"]


@pytest.mark.parametrize("held", range(5))
def test_reports_of_memory_come_to_the_folder_also_from_the_hands_of_a_delivery(
    tmp_path: Path, lost: Lost, held: int
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    spool = Spool(blocked / "spool", LIMITS, lost.add)
    backlog = Backlog(spool, lost.add)
    assert fill(spool, 4) == 4
    items = backlog.read(held)
    assert ids(items) == [f"m{number}" for number in range(held)]
    for item in items[:1]:
        backlog.settle(item)
    spool._again_at = 0.0  # noqa: SLF001 - instead of waiting a second
    spool.heal(1)
    assert len(spool.memory) == 4 - len(items[:1])
    blocked.unlink()
    spool._again_at = 0.0  # noqa: SLF001 - likewise
    spool.heal(1)
    assert (spool.problem, len(spool.memory), spool.reported) == ("", 0, 4)
    assert all(item.withdrawn for item in items)
    for item in items:  # a round that was on its way ends late
        backlog.settle(item)
    assert sorted(drained(backlog)) == [f"m{number}" for number in range(len(items[:1]), 4)]
    assert lost == {}


def test_memory_is_bounded_and_the_oldest_give_way(lost: Lost) -> None:
    spool = Spool(None, Limits(SMALLEST_BYTES, 3_600_000, "drop-oldest"), lost.add)
    assert fill(spool, 20_000) == 20_000
    assert spool.memory.bytes <= SMALLEST_BYTES
    kept = drained(Backlog(spool, lost.add))
    assert kept[-1] == "m19999"
    assert lost == {"overflow": 20_000 - len(kept)}
    assert spool.delivered()


def test_dead_letters_come_back_by_their_code(tmp_path: Path, lost: Lost) -> None:
    spool = Spool(tmp_path, LIMITS, lost.add)
    fill(spool, 3)
    backlog = Backlog(spool, lost.add)
    backlog.claim("there")
    for item, code in zip(backlog.read(10), ("A", "B", "A"), strict=True):
        backlog.bury(item, code, "because", 5)
    backlog.keep()
    assert backlog.rejected.counts() == {"A": 2, "B": 1}
    letters = DeadLetters(tmp_path)
    assert [(letter.at, letter.code, letter.reason, letter.kind) for letter in letters] == [
        (5, "A", "because", "conversion"),
        (5, "B", "because", "conversion"),
        (5, "A", "because", "conversion"),
    ]
    assert look(tmp_path).dead_letters == {"A": 2, "B": 1}
    assert put_back(tmp_path, lambda letter: letter.code == "A", 6) == 2
    assert [letter.code for letter in letters] == ["B"]
    assert drained(backlog) == ["m0", "m2"]
    assert put_back(tmp_path, lambda _: True, 7) == 1
    assert list(letters) == []
    assert drained(backlog) == ["m1"]


def test_the_oldest_dead_letters_give_way_to_new_ones(tmp_path: Path, lost: Lost) -> None:
    letters = DeadLetters(tmp_path, max_bytes=2000)
    report = read_line(line(1)[:-1])
    assert report is not None
    for number in range(50):
        letter = DeadLetter(
            number, f"C{number}", "because", report.kind, msgspec.Raw(report.body), report.flags
        )
        letters.add([letter], lambda count: lost.add("letters", count), within_ms=20)
    kept = [letter.code for letter in letters]
    assert kept[-1] == "C49"
    assert len(kept) + lost["letters"] == 50
    assert (tmp_path / "dead-letters.ndjson").stat().st_size <= 2000


def test_a_look_changes_nothing_and_tells_who_delivers(tmp_path: Path, lost: Lost) -> None:
    spool = Spool(tmp_path, LIMITS, lost.add)
    fill(spool, 5)
    assert (look(tmp_path).pending, look(tmp_path).delivered_to, look(tmp_path).oldest_at) == (5, "", 1)
    backlog = Backlog(spool, lost.add)
    backlog.claim("http://there")
    assert look(tmp_path).delivered_to == "http://there"
    (tmp_path / "degraded").touch()
    assert look(tmp_path).degraded
    assert drained(backlog) == [f"m{number}" for number in range(5)]
    assert (look(tmp_path).pending, look(tmp_path).oldest_at) == (0, None)


@pytest.mark.parametrize(
    "limits",
    [(SMALLEST_BYTES - 1, 1, "block"), (SMALLEST_BYTES, 0, "block"), (SMALLEST_BYTES, 1, "drop-all")],
)
def test_bounds_that_cannot_be_meant_raise(limits: tuple[int, int, Overflow]) -> None:
    with pytest.raises(ValueError, match="is"):
        Limits(*limits)
