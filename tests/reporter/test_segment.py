"""A segment: lines are read in order, once; damaged ones are set aside and harm no other."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from otpconv.delivery.reports import Report, conversion, line_of
from otpconv.reporter.segment import SegmentReader, Writer, count_left, is_delivered

SIZE = 16 * 1024
HEADER = 64


def line(number: int) -> bytes:
    return line_of(0, conversion(f"m{number}", True, 1_700_000_000_000, None))


def write(folder: Path, count: int) -> Writer:
    writer = Writer(folder, SIZE, 1)
    append(writer, *map(line, range(count)))
    return writer


def append(writer: Writer, *lines: bytes) -> None:
    for each in lines:
        end = writer.end + len(each)
        writer.map[writer.end : end] = each
        writer.end = end


def ids(found: list[tuple[int, Report]]) -> list[str]:
    return [report.body.split(b'"message_id":"')[1].split(b'"')[0].decode() for _, report in found]


def read_all(reader: SegmentReader) -> list[tuple[int, Report]]:
    found: list[tuple[int, Report]] = []
    while not reader.at_end:
        more = reader.read(1000)
        found += more
        if not more and not reader.finished():
            break
    return found


def test_a_reader_follows_while_the_writer_appends(tmp_path: Path) -> None:
    writer = write(tmp_path, 3)
    reader = SegmentReader(writer.path)
    assert ids(reader.read(2)) == ["m0", "m1"]
    assert ids(reader.read(10)) == ["m2"]
    assert reader.read(10) == []
    append(writer, line(3))
    assert ids(reader.read(10)) == ["m3"]
    assert not reader.finished()
    assert not reader.at_end
    writer.close()
    assert reader.finished()
    assert reader.read(10) == []
    assert reader.at_end
    reader.close()


def test_the_next_reader_goes_on_behind_what_is_done_in_order(tmp_path: Path) -> None:
    writer = write(tmp_path, 5)
    first = SegmentReader(writer.path)
    found = first.read(5)
    for place in (found[0][0], found[1][0], found[3][0]):
        first.done(place)
    first.keep_cursor()
    first.close()
    assert count_left(writer.path) == 3
    second = SegmentReader(writer.path)
    again = second.read(5)
    assert ids(again) == ["m2", "m3", "m4"]
    for place, _ in again:
        second.done(place)
    assert not writer.delivered()
    second.keep_cursor()
    assert writer.delivered()
    assert is_delivered(writer.path, writer.end)
    assert count_left(writer.path) == 0
    second.close()
    writer.close()
    assert not writer.path.exists()


def test_a_segment_is_through_only_when_all_in_it_is_done(tmp_path: Path) -> None:
    writer = write(tmp_path, 2)
    writer.close()
    reader = SegmentReader(writer.path)
    found = read_all(reader)
    assert reader.at_end
    assert not reader.exhausted()
    for place, _ in found:
        reader.done(place)
    assert reader.exhausted()
    reader.close()


def test_what_a_killed_writer_was_in_the_middle_of_is_set_aside(tmp_path: Path) -> None:
    writer = write(tmp_path, 2)
    writer.map[writer.end : writer.end + 20] = line(2)[:20]
    reader = SegmentReader(writer.path)
    assert ids(reader.read(10)) == ["m0", "m1"]
    assert reader.damaged == []
    # As the kernel does for a process that is killed.
    os.close(writer._fd)  # noqa: SLF001
    writer.map.close()
    assert read_all(reader) == []
    assert reader.damaged[0].rstrip(b"\0") == line(2)[:20]
    assert reader.at_end
    reader.close()


def test_a_line_that_is_just_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    writer = write(tmp_path, 1)
    whole = line(1)
    # Its end may be seen before its middle.
    writer.map[writer.end + 30 : writer.end + len(whole)] = whole[30:]
    reader = SegmentReader(writer.path)
    assert ids(reader.read(10)) == ["m0"]
    writer.map[writer.end : writer.end + 30] = whole[:30]
    writer.end += len(whole)
    assert ids(reader.read(10)) == ["m1"]
    assert reader.damaged == []
    reader.close()
    writer.close()


def test_a_damaged_line_in_a_segment_still_written_to_is_set_aside_once_another_follows(
    tmp_path: Path,
) -> None:
    writer = write(tmp_path, 3)
    writer.map[HEADER + 4] = ord("!")
    reader = SegmentReader(writer.path)
    assert ids(reader.read(10)) == ["m1", "m2"]
    assert len(reader.damaged) == 1
    reader.close()
    writer.close()


@pytest.mark.parametrize("hole", [(HEADER, 300), (0, HEADER), (500, 5000), (0, 4000)])
def test_zeros_in_the_middle_cost_the_lines_they_cover_and_no_others(
    tmp_path: Path, hole: tuple[int, int]
) -> None:
    writer = write(tmp_path, 100)
    start, end = hole
    length = len(line(10))
    writer.map[start:end] = bytes(end - start)
    writer.close()
    reader = SegmentReader(writer.path)
    covered = end / length
    assert len(ids(read_all(reader))) >= 100 - covered - 2
    reader.close()


@settings(max_examples=rounds(60), deadline=None)
@given(
    flips=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 255)), max_size=8),
    cut=st.none() | st.integers(0, 3000),
)
def test_whatever_is_damaged_every_other_report_is_read_and_none_is_made_up(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]], cut: int | None
) -> None:
    writer = write(tmp_path_factory.mktemp("segment"), 30)
    writer.close()
    data = bytearray(writer.path.read_bytes())
    clean = bytes(data)
    for place, change in flips:
        if place < len(data):
            data[place] ^= change
    if cut is not None:
        del data[cut:]
    writer.path.write_bytes(data)
    places = {}
    at = HEADER
    for number in range(30):
        places[f"m{number}"] = (at, at + len(line(number)))
        at += len(line(number))
    whole = [
        id_
        for id_, (start, end) in places.items()
        if data[start:end] == clean[start:end]
        # A line feed more just before it cuts the neighbour, not it.
        and data[start - 1 : start] == b"\n"
    ]
    reader = SegmentReader(writer.path)
    found = ids(read_all(reader))
    reader.close()
    header_whole = data[:HEADER] == clean[:HEADER]
    if header_whole:
        assert [id_ for id_ in found if id_ in whole] == whole
    assert set(found) <= places.keys()
    assert len(found) == len(set(found))


def test_a_segment_takes_its_room_when_it_is_made_and_gives_back_the_rest(tmp_path: Path) -> None:
    writer = write(tmp_path, 1)
    assert writer.path.stat().st_size == SIZE
    assert writer.path.stat().st_blocks * 512 >= SIZE
    assert writer.path.stat().st_mode & 0o777 == 0o600
    end = writer.end
    writer.close()
    assert writer.path.stat().st_size == end


def test_a_file_that_is_no_segment_is_set_aside_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "0000000000001-1-00.spool"
    path.write_bytes(os.urandom(200_000).replace(b"\n", b"x"))
    reader = SegmentReader(path)
    assert read_all(reader) == []
    assert sum(map(len, reader.damaged)) >= 190_000
    assert reader.exhausted()
    reader.close()


class Interrupted(bytes):
    """A line whose length a signal handler's report interrupts."""

    handler: Callable[[], None]

    def __len__(self) -> int:
        self.handler()
        return super().__len__()


def test_a_signal_handler_that_appends_meanwhile_loses_nothing(tmp_path: Path) -> None:
    writer = Writer(tmp_path, SIZE, 1)
    interrupted = Interrupted(line(1))
    interrupted.handler = lambda: writer.append(line(2))
    writer.append(interrupted)
    writer.append(line(3))
    reader = SegmentReader(writer.path)
    assert ids(reader.read(10)) == ["m2", "m1", "m3"]
    writer.close()
