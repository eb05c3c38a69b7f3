"""Reports get old by the steady clock, in worlds whose wall clocks are wrong in every way."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from otpconv.delivery.reports import conversion, line_of
from otpconv.reporter import backlog as backlogs
from otpconv.reporter.backlog import Backlog
from otpconv.reporter.limits import SEGMENT_BYTES, Limits
from otpconv.reporter.segments import segments
from otpconv.reporter.spool import Spool
from otpconv.reporter.steady import Birth, Steady, WallClock, birth_of, new_name

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
START_MS = 1_800_000_000_000
LIMITS = Limits(512 * SEGMENT_BYTES, int(7 * DAY_S * 1000), "drop-oldest")
MAX_AGE_S, LIFE_S = LIMITS.max_age_ms / 1000, LIMITS.life_ms / 1000


@pytest.fixture(autouse=True, scope="module")
def _look_through_at_each_step() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backlogs, "_LOOK_THROUGH_S", 0.0)
        yield


class Made(NamedTuple):
    """A report: in which boot it was made, and when by its steady clock, s."""

    boot: str
    at_s: float


class World:
    """A host with a steady clock and a wall clock, processes that report, and one that can't deliver."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.up_s = 1000.0
        self.wall_ms = START_MS
        self.boots = 0
        self.made: dict[str, Made] = {}
        self.gone: set[str] = set()
        self.lost: Counter[str] = Counter()
        self._spools: list[Spool] = []
        self._start()

    def _start(self) -> None:
        self.steady = Steady(f"{self.boots:08x}"[::-1].replace("0", "a"), lambda: self.up_s)
        self._spools = [self._spool() for _ in range(2)]
        self.backlog = Backlog(self._spools[0], self._losing)
        self.step()

    def _spool(self) -> Spool:
        return Spool(self.folder, LIMITS, self._losing, self.steady)

    def _losing(self, reason: str, count: int) -> None:
        self.lost[reason] += count

    def step(self) -> None:
        self.backlog.claim("nowhere")
        # The second process is stopped: its thread does nothing.
        self._spools[0].heal(self.wall_ms)
        self.backlog.look_after(self.wall_ms)
        assert not self.backlog.problem

    def report(self, process: int) -> None:
        id_ = f"m{len(self.made)}"
        line = line_of(0, conversion(id_, True, START_MS, None))
        assert self._spools[process].append(line, self.wall_ms)
        self.made[id_] = Made(self.steady.boot, self.up_s)

    def wait(self, seconds: float) -> None:
        """Let time pass, during which the thread does what it does."""
        for _ in range(4):
            self.up_s += seconds / 4
            self.wall_ms += int(seconds * 250)
            self.step()

    def set_clock(self, by_ms: int) -> None:
        self.wall_ms += by_ms

    def restart(self) -> None:
        for spool in self._spools:
            spool.close()
        self.backlog.release()
        self._start()

    def reboot(self) -> None:
        for spool in self._spools:
            spool.close()
        self.backlog.release()
        self.boots += 1
        self.up_s = 10.0
        self._start()

    def pending(self) -> set[str]:
        found: set[str] = set()
        for path, _ in segments(self.folder):
            data = path.read_bytes()
            left = data[int(data[16:36]) :]
            found |= {line.split(b'"')[3].decode() for line in left.split(b"\n") if b'"message_id"' in line}
        return found

    def age_s(self, made: Made) -> float:
        """How old a report is for certain."""
        return self.up_s - made.at_s if made.boot == self.steady.boot else self.up_s

    def check(self) -> None:
        pending = self.pending()
        for id_, made in self.made.items():
            age_s = self.age_s(made)
            if id_ not in pending and id_ not in self.gone:
                assert age_s > MAX_AGE_S, f"{id_} was given up after {age_s:.0f} s"
                self.gone.add(id_)
            if age_s > LIFE_S + 1:
                assert id_ not in pending, f"{id_} waits still after {age_s:.0f} s"
        assert self.lost.total() == self.lost["age"] == len(self.gone)


STEPS_OF_CLOCK = st.integers(-900, 900).map(lambda days: days * 86_400_000) | st.integers(
    -4_000_000, 4_000_000
)
ACTS = st.one_of(
    st.tuples(st.just("report"), st.integers(0, 1)),
    st.tuples(
        st.just("wait"), st.sampled_from([1.0, 60.0, HOUR_S, 5 * HOUR_S, DAY_S, 3.4 * DAY_S, 8 * DAY_S])
    ),
    st.tuples(st.just("set_clock"), STEPS_OF_CLOCK),
    st.tuples(st.sampled_from(["restart", "reboot"])),
)


@settings(max_examples=rounds(80))
@given(st.lists(ACTS, min_size=3, max_size=40))
def test_no_report_is_given_up_before_its_time_and_none_waits_long_after_it_whatever_the_wall_clock_does(
    acts: list[tuple[object, ...]],
) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        for name, *arguments in acts:
            getattr(world, str(name))(*arguments)
            world.step()
            world.check()
        world.backlog.release()


@given(st.integers(-900, 900).filter(bool))
def test_a_clock_that_was_set_is_reported_before_anything_is_given_up(days: int) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.set_clock(days * 86_400_000)
        world.report(1)
        world.set_clock(-days * 86_400_000)
        world.restart()
        assert world.backlog.wall_clock.times_set == 1
        assert not world.lost
        world.wait(8 * DAY_S)
        assert world.lost == {"age": 1}
        assert world.backlog.wall_clock.times_set == 1
        world.backlog.release()


def test_a_clock_that_is_never_set_is_never_said_to_be() -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        for _ in range(20):
            world.report(0)
            world.wait(DAY_S)
            world.report(1)
            world.restart()
            world.wait(HOUR_S)
            world.reboot()
        assert world.backlog.wall_clock.times_set == 0
        world.backlog.release()


def test_every_step_of_the_clock_is_counted_and_a_flapping_clock_logs_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = WallClock(Steady("0000000a", lambda: 5000.0))
    for number in range(100):
        clock.look(START_MS + number % 2 * 86_400_000)
    assert clock.times_set == 99
    assert [record.message for record in caplog.records] == [
        "the clock of this host was set ahead by 1 d: reports' age is by its steady clock"
    ]


def test_an_idle_segment_is_closed_by_the_steady_clock_and_given_up_in_time() -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.report(0)
        world.wait(HOUR_S + 1)
        ((path, size),) = segments(Path(folder))
        assert size < 1000  # it is closed: the room that was left is given back
        world.wait(7 * DAY_S)
        assert not path.exists()
        assert world.lost == {"age": 1}


def test_reports_in_the_open_segment_of_a_stopped_process_are_given_up_in_time() -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.report(1)
        world.wait(8 * DAY_S)
        assert world.lost == {"age": 1}
        world.report(1)
        assert world.pending() == {"m1"}


@given(st.integers(-(10**15), 10**15), st.floats(0, 10**9))
def test_the_name_of_a_segment_says_when_it_was_begun_whatever_the_clock_says(now: int, up_s: float) -> None:
    birth = birth_of(Path(new_name(now, Steady("0123abcd", lambda: up_s))))
    assert birth is not None
    assert (birth.boot, birth.steady_ms) == ("0123abcd", int(up_s * 1000))
    assert birth.wall_ms == min(max(now, 0), 9_999_999_999_999)


@given(st.sampled_from(["0123abcd", "00000000"]), st.integers(0, 10**10), st.floats(0, 10**7))
def test_an_age_is_never_more_than_what_is_certain(boot: str, begun_ms: int, up_s: float) -> None:
    birth = Birth(START_MS, boot, begun_ms)
    assert birth.age_ms(Steady("99999999", lambda: up_s)) == int(up_s * 1000)
    here = birth.age_ms(Steady(boot, lambda: up_s))
    assert 0 <= here <= int(up_s * 1000)
    if boot != "00000000":
        assert here == max(0, int(up_s * 1000) - begun_ms)


@pytest.mark.parametrize("name", ["1700000000000-77-000001-0123abcd.spool", "Text.spool", "0-pipe.spool"])
def test_a_segment_whose_name_does_not_say_when_it_was_begun_is_never_too_old(name: str) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.report(1)
        world.restart()
        ((path, _),) = segments(Path(folder))
        os.rename(path, path.with_name(name))  # noqa: PTH104 - as an older version named it
        world.wait(400 * DAY_S)
        assert not world.lost
        assert world.pending() == {"m0"}
