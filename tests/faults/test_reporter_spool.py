"""A spool that is full, damaged, taken away, or shared with strangers: what can be delivered is delivered."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.bad_server import BadServer, Heard, http, saying
from faults.reporting import ACCESS, PATIENCE_S, Reporting, drain, eventually
from otpconv.delivery.dead_letters import DeadLetters
from otpconv.reporter import Reporter, claim
from otpconv.reporter.requeue import put_back
from otpconv.reporter.segments import segments

#: Nobody listens there: the port of a service that no machine has any more.
DEAD = "http://127.0.0.1:9"
HEADER = 64
SMALLEST = 1024 * 1024


@pytest.fixture
def server() -> Iterator[BadServer]:
    with BadServer() as running:
        yield running


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def make(server: BadServer, spool: Path) -> Iterator[Callable[..., Reporter]]:
    """Makes reporters that are closed at the end."""
    made: list[Reporter] = []

    def make(url: str = "", **more: object) -> Reporter:
        settings: dict[str, object] = {"spool": spool, "longest_pause_ms": 100} | more
        made.append(Reporter(url or server.url, *ACCESS, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close(0.1)


@pytest.fixture
def mounted(spool: Path) -> Iterator[Callable[[str], None]]:
    """Mounts a small file system at the spool, or mounts it again with other options."""
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root mounts file systems")
    spool.mkdir()

    def remount(options: str) -> None:
        command = [mount, "-t", "tmpfs", "-o", options, "tmpfs", str(spool)]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
        if done.returncode != 0:
            pytest.skip(f"no file system may be mounted here: {done.stderr.decode()}")

    remount("size=1m")
    yield remount
    subprocess.run(["umount", "-l", spool], check=True)  # noqa: S603, S607


def report(reporter: Reporter, count: int, first: int = 0, to: str | None = None) -> set[str]:
    ids = [f"m{number}" for number in range(first, first + count)]
    for id_ in ids:
        reporter.report(id_, to=to)
    return set(ids)


def spooled(make: Callable[..., Reporter], count: int) -> None:
    """Leave reports in the spool."""
    reporter = make(DEAD)
    report(reporter, count)
    reporter.close(0)


def only_segment(spool: Path) -> Path:
    ((path, _),) = segments(spool)
    return path


def test_a_full_disk_costs_nothing_while_the_memory_has_room(
    make: Callable[..., Reporter], server: BadServer, mounted: Callable[[str], None], spool: Path
) -> None:
    reporter = make(max_bytes=64 * SMALLEST)
    server.stop()
    ids = report(reporter, 15_000)
    stats = reporter.stats()
    assert not stats.durable
    assert "No space left" in stats.last_error or "refused" in stats.last_error
    assert (stats.pending, stats.lost) == (15_000, {})
    mounted("remount,size=64m")
    eventually(reporter.stats, lambda stats: stats.durable)
    server.start()
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids
    assert not list(spool.glob("*.new"))


def test_a_disk_that_is_full_when_the_number_key_is_made_spoils_nothing_for_later(
    make: Callable[..., Reporter], mounted: Callable[[str], None], spool: Path, server: BadServer
) -> None:
    (spool / "filler").write_bytes(bytes(1024 * 1024))
    reporter = make()
    ids = report(reporter, 10, to="+4915112345678")
    assert reporter.flush(PATIENCE_S)
    (spool / "filler").unlink()
    mounted("remount,size=4m")
    eventually(lambda: (report(reporter, 1, 10), reporter.stats())[1], lambda stats: stats.durable)
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids | {"m10"}


def test_a_read_only_disk_costs_durability_alone(
    make: Callable[..., Reporter], server: BadServer, mounted: Callable[[str], None]
) -> None:
    mounted("remount,ro")
    reporter = make()
    ids = report(reporter, 10)
    assert reporter.flush(PATIENCE_S)
    stats = reporter.stats()
    assert (stats.lost, stats.rejected) == ({}, 0)
    assert not stats.durable
    mounted("remount,rw")
    eventually(lambda: (report(reporter, 1), reporter.stats())[1], lambda stats: stats.durable)
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids


def test_a_spool_that_can_never_be_made_costs_durability_alone(
    make: Callable[..., Reporter], server: BadServer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    reporter = make(spool=tmp_path / "file" / "spool")
    ids = report(reporter, 100, to="+4915112345678")
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids
    stats = reporter.stats()
    assert not stats.durable
    assert "Not a directory" in stats.last_error


def test_reports_outlive_the_removal_of_the_spool_they_are_in(
    make: Callable[..., Reporter], server: BadServer, spool: Path
) -> None:
    reporter = make()
    server.stop()
    ids = report(reporter, 10)
    shutil.rmtree(spool, ignore_errors=True)  # it may be in use again before it is all gone
    ids |= report(reporter, 10, 10)
    eventually(lambda: bool(spool.is_dir() and segments(spool)), bool)
    assert reporter.stats().pending == 20
    ids |= report(reporter, 10, 20)
    server.start()
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids
    assert reporter.stats().lost == {}


def flipped_bit(data: bytearray) -> None:
    data[HEADER + 500] ^= 1


def flipped_cursor(data: bytearray) -> None:
    """A digit of the header: as if far more were delivered."""
    at = data.index(b" 1 ") + 3
    data[at] = ord("9")


def truncated(data: bytearray) -> None:
    del data[HEADER + 1001 :]


def hole(data: bytearray) -> None:
    data[HEADER + 300 : HEADER + 700] = bytes(400)


def garbage_header(data: bytearray) -> None:
    data[:HEADER] = os.urandom(HEADER).replace(b"\0", b"?")


@pytest.mark.parametrize("harm", [flipped_bit, flipped_cursor, truncated, hole, garbage_header])
def test_what_is_readable_of_a_damaged_segment_is_delivered_and_the_rest_set_aside(
    make: Callable[..., Reporter], server: BadServer, spool: Path, harm: Callable[[bytearray], None]
) -> None:
    spooled(make, 100)
    path = only_segment(spool)
    data = bytearray(path.read_bytes())
    lines = bytes(data[HEADER:]).splitlines(keepends=True)
    harm(data)
    path.write_bytes(data)
    whole = {f"m{number}" for number, line in enumerate(lines) if line in bytes(data)}

    reporter = drain(server.url, spool)
    assert set(server.taken) == whole
    assert reporter.stats().damaged >= 1
    assert (spool / "damaged").stat().st_size > 0
    assert segments(spool) == []


def test_strangers_in_the_folder_stop_nothing(
    make: Callable[..., Reporter], server: BadServer, spool: Path
) -> None:
    spooled(make, 50)
    (spool / "0-folder.spool").mkdir()
    os.mkfifo(spool / "0-pipe.spool")
    (spool / "0-nowhere.spool").symlink_to(spool / "nowhere")
    (spool / "Text.spool").write_text("Dear diary,\nnothing happened.\n")
    (spool / "Empty.spool").write_bytes(b"")
    (spool / "README").write_text("Do not touch.")
    reporter = make()
    ids = {f"m{number}" for number in range(50)} | report(reporter, 10, 50)
    eventually(lambda: set(server.taken), lambda taken: taken == ids)
    assert reporter.flush(PATIENCE_S)
    assert (spool / "README").read_text() == "Do not touch."
    assert (spool / "0-folder.spool").is_dir()


def test_without_their_key_sealed_numbers_are_set_aside_and_the_others_are_delivered(
    make: Callable[..., Reporter], server: BadServer, spool: Path
) -> None:
    first = make(DEAD)
    report(first, 5, to="+4915112345678")
    report(first, 5, 5)
    first.close(0)
    (spool / "number.key").unlink()
    reporter = drain(server.url, spool)
    assert set(server.taken) == {f"m{number}" for number in range(5, 10)}
    assert reporter.stats().rejected == 5
    assert {letter.code for letter in DeadLetters(spool)} == {"SealedNumber"}
    assert not any(b"4915112345678" in path.read_bytes() for path in spool.iterdir())


def test_a_damaged_number_key_costs_durability_until_it_is_removed(
    make: Callable[..., Reporter], server: BadServer, spool: Path
) -> None:
    spool.mkdir()
    (spool / "number.key").write_bytes(b"short")
    reporter = make()
    ids = report(reporter, 5, to="+4915112345678")
    assert reporter.flush(PATIENCE_S)
    assert not reporter.stats().durable
    assert "number key" in reporter.stats().last_error
    (spool / "number.key").unlink()
    eventually(lambda: (report(reporter, 1, 5), reporter.stats())[1], lambda stats: stats.durable)
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids | {"m5"}


def test_a_stopped_process_that_holds_the_folder_stops_no_caller_and_no_report(
    make: Callable[..., Reporter], server: BadServer, spool: Path
) -> None:
    before = make(DEAD)
    report(before, 1)
    holding = (
        "import fcntl, os, signal, sys\n"
        "fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", holding, spool])  # noqa: S603
    try:
        os.waitpid(child.pid, os.WUNTRACED)
        later = make(DEAD)
        took = []
        for reporter, first in ((before, 1), (later, 10_000)):
            for number in range(first, first + 6_000):
                began = time.monotonic()
                reporter.report(f"m{number}")
                took.append(time.monotonic() - began)
            assert reporter.stats().durable
        assert sorted(took)[-10] < 0.05
        assert sum(took) < 10
        before.close(0.1)
    finally:
        child.send_signal(signal.SIGKILL)
        child.send_signal(signal.SIGCONT)
        child.wait()
    # Either of the two may have the claim to deliver, and both go where nobody answers.
    later.close(0.1)
    assert (before.stats().lost, later.stats().lost) == ({}, {})
    eventually(lambda: free(spool), bool)
    make().start()
    eventually(lambda: len(server.taken), lambda count: count == 12_001)


def free(spool: Path) -> bool:
    with (spool / "delivering").open() as claim:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.mark.parametrize("overflow", ["drop-oldest", "drop-newest", "block"])
def test_a_full_spool_stays_within_its_bound_and_counts_what_gives_way(
    make: Callable[..., Reporter], server: BadServer, spool: Path, overflow: str
) -> None:
    reporter = make(DEAD, max_bytes=SMALLEST, overflow=overflow, block_ms=10)
    number = 0
    while not reporter.stats().lost:
        report(reporter, 100, number)
        number += 100
        assert number < 50_000
    began = time.monotonic()
    reporter.report("last")
    took = time.monotonic() - began
    assert took < 5
    if overflow == "block":
        assert took >= 0.01
    stats = reporter.stats()
    assert set(stats.lost) == {"overflow"}
    assert stats.pending + stats.lost["overflow"] == number + 1
    assert sum(size for _, size in segments(spool)) <= SMALLEST
    reporter.close(0)
    drain(server.url, spool)
    kept = set(server.taken)
    assert len(kept) == stats.pending
    assert ("m0" in kept) == (overflow != "drop-oldest")
    assert ("last" in kept) == (overflow == "drop-oldest")


def test_a_blocked_report_goes_on_as_soon_as_there_is_room(
    make: Callable[..., Reporter], server: BadServer
) -> None:
    reporter = make(max_bytes=SMALLEST, overflow="block", block_ms=20_000)
    ids = report(reporter, 30_000)
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids
    assert reporter.stats().lost == {}


def test_several_processes_together_stay_within_the_bound(spool: Path, tmp_path: Path) -> None:
    several = [Reporting(DEAD, spool, tmp_path / name, name) for name in ("a", "b", "c")]
    grown: list[int] = []

    def growing() -> int:
        with_room = sum(size for _, size in segments(spool)) if spool.is_dir() else 0
        grown.append(with_room)
        return min(len(each.returned()) for each in several)

    eventually(growing, lambda count: count > 6_000)
    for each in several:
        each.end()
    # Their default bound is far away: this test counts that segments are given back as they should be.
    assert max(grown) <= 128 * 1024 * 1024
    bound = Reporter(DEAD, *ACCESS, spool=spool, max_bytes=SMALLEST)
    report(bound, 3_000)
    assert sum(size for _, size in segments(spool)) <= SMALLEST
    assert bound.stats().lost["overflow"] > 0
    bound.close(0)


def test_reports_that_are_too_old_are_given_up_and_counted(
    make: Callable[..., Reporter], server: BadServer, spool: Path
) -> None:
    spooled(make, 10)
    assert only_segment(spool)
    server.stop()
    reporter = make(max_age_ms=1000)
    reporter.start()
    stats = eventually(reporter.stats, lambda stats: stats.lost == {"age": 10})
    assert stats.pending == 0
    assert not server.taken


def test_memory_alone_is_bounded_and_counts_what_gives_way(
    make: Callable[..., Reporter], server: BadServer
) -> None:
    reporter = make(DEAD, spool=":memory:", max_bytes=SMALLEST)
    report(reporter, 20_000)
    stats = reporter.stats()
    assert stats.pending_bytes <= SMALLEST
    assert stats.pending + stats.lost["overflow"] == 20_000
    assert not stats.durable
    reporter.close(0)
    assert reporter.stats().lost["closed before delivery"] == stats.pending
    assert not server.taken


def test_degraded_reports_wait_and_restored_they_are_delivered(
    make: Callable[..., Reporter], server: BadServer, spool: Path
) -> None:
    reporter = make()
    reporter.degrade()
    ids = report(reporter, 10)
    assert not reporter.flush(0.5)
    assert server.heard == []
    reporter.restore()
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids
    (spool / "degraded").touch()
    eventually(reporter.stats, lambda stats: stats.degraded)
    ids |= report(reporter, 10, 10)
    assert not reporter.flush(0.5)
    (spool / "degraded").unlink()
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids


def test_degraded_reports_are_dropped_and_counted_when_that_is_chosen(
    make: Callable[..., Reporter], server: BadServer
) -> None:
    reporter = make(when_degraded="drop")
    reporter.degrade()
    report(reporter, 10)
    assert reporter.stats().lost == {"degraded": 10}
    reporter.restore()
    ids = report(reporter, 10, 10)
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids


def test_a_process_that_is_degraded_by_its_environment_delivers_nothing(
    server: BadServer, spool: Path, tmp_path: Path
) -> None:
    child = Reporting(
        server.url, spool, tmp_path / "notes", "c", count=10, environment={"OTPCONV_DEGRADED": "1"}
    )
    assert child.wait() == 0
    assert server.heard == []
    drain(server.url, spool)
    assert set(server.taken) == set(child.returned())


STOPPED_HOLDING = """
import os, signal, sys
from otpconv.folder import alone
from pathlib import Path
with alone(Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def stopped(make: Callable[..., Reporter], spool: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is stopped while it holds the folder, in which there is a number key already."""
    make(DEAD)
    child = subprocess.Popen([sys.executable, "-c", STOPPED_HOLDING, spool])  # noqa: S603
    os.waitpid(child.pid, os.WUNTRACED)
    yield child
    child.send_signal(signal.SIGCONT)
    child.wait(PATIENCE_S)


def test_a_refused_report_delays_no_other_while_a_stopped_process_holds_the_folder(
    make: Callable[..., Reporter], server: BadServer, spool: Path, stopped: subprocess.Popen[bytes]
) -> None:
    def refuse_some(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
        rejected = [
            {"index": index, "code": "InvalidTime", "message": "no"}
            for index, id_ in enumerate(heard.ids)
            if id_.endswith("7")
        ]
        server.take([id_ for id_ in heard.ids if not id_.endswith("7")])
        recorded = len(heard.ids) - len(rejected)
        connection.sendall(http(200, {"recorded": recorded, "unchanged": 0, "rejected": rejected}))
        return True

    server.answer = refuse_some
    reporter = make()
    ids = report(reporter, 3_000)
    eventually(lambda: len(server.taken), lambda count: count == 2_700)
    assert not reporter.flush(0.2)  # those that were refused are not set aside yet
    assert not (spool / "dead-letters.ndjson").exists()
    with pytest.raises(BlockingIOError, match="another process"):
        put_back(spool, lambda _: True, 1)
    stopped.send_signal(signal.SIGCONT)
    assert reporter.flush(PATIENCE_S)
    assert len(list(DeadLetters(spool))) == 300
    stats = reporter.stats()
    assert (stats.delivered, stats.rejected, stats.lost, len(ids)) == (2_700, 300, {}, 3_000)


def test_dead_letters_that_can_never_be_written_are_bounded_in_memory_and_counted(
    make: Callable[..., Reporter], server: BadServer, spool: Path, stopped: subprocess.Popen[bytes]
) -> None:
    del stopped
    server.answer = saying(http(400, {"code": "InvalidRequest", "detail": "no"}))
    reporter = make()
    report(reporter, 1_500)
    stats = eventually(reporter.stats, lambda stats: stats.rejected == 1_500)
    assert stats.lost == {"dead letter could not be written": 500}
    reporter.close(0.1)
    assert reporter.stats().pending == 1_000  # they are tried again by the next process
    assert len(segments(spool)) == 1


def test_a_segment_that_somebody_cuts_off_costs_the_lines_that_were_in_it_and_not_the_process(
    spool: Path, tmp_path: Path
) -> None:
    harm = f"""
import glob
for length in (0, 64, 5000):
    for path in glob.glob({str(spool)!r} + "/*.spool"):
        os.truncate(path, length)
    for number in range(50):
        reporter.report(f"{{name}}-{{length}}-{{number}}")
        os.write(noted, f"{{name}}-{{length}}-{{number}}\\n".encode())
    reporter.flush(0.1)
    reporter.stats()
os.write(noted, f"lost:{{sum(reporter.stats().lost.values())}}\\n".encode())
os._exit(0)
"""
    child = Reporting(DEAD, spool, tmp_path / "notes", "c", count=400, more=harm)
    assert child.wait() == 0, child.words
    *returned, lost = child.returned()
    with BadServer() as server:
        drain(server.url, spool)
        missing = set(returned) - set(server.taken)
    assert len(returned) == 550
    assert 400 <= len(missing) <= int(lost.removeprefix("lost:"))


@pytest.mark.parametrize("year", [1970, 1999, 2600, 9999])
def test_no_clock_of_the_host_makes_a_report_raise(
    make: Callable[..., Reporter], server: BadServer, year: int
) -> None:
    reporter = make(clock=lambda: (year - 1970) * 31_556_952_000 - 5)
    ids = report(reporter, 10)
    reporter.requested("r1")
    assert reporter.flush(PATIENCE_S)
    assert set(server.taken) == ids | {"r1"}
    with pytest.raises(ValueError, match="conversion_time"):
        reporter.report("m1", conversion_time=1_000)


STOPPED_DELIVERING = """
import signal
while not reporter.stats().delivering:
    time.sleep(0.01)
os.write(noted, b"delivering\\n")
time.sleep(600)
"""


def test_another_process_delivers_in_place_of_one_that_is_stopped_and_both_agree_when_it_goes_on(
    server: BadServer,
    make: Callable[..., Reporter],
    spool: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claim, "STALE_S", 1.0)
    server.stop()
    first = Reporting(server.url, spool, tmp_path / "notes", "c", count=50, more=STOPPED_DELIVERING)
    eventually(first.returned, lambda returned: "delivering" in returned)
    first.process.send_signal(signal.SIGSTOP)
    server.start()
    reporters = [make(), make()]
    ids = {f"c-{number}" for number in range(50)}
    for number, reporter in enumerate(reporters):
        ids |= report(reporter, 100, 100 * number)
    try:
        eventually(lambda: set(server.taken), lambda taken: taken == ids)
        eventually(lambda: sum(each.stats().delivering for each in reporters), lambda count: count == 1)
    finally:
        first.process.send_signal(signal.SIGCONT)
    for reporter in reporters:
        ids |= report(reporter, 100, 1_000)
        assert reporter.flush(PATIENCE_S)
    first.end()
    assert set(server.taken) == ids
    assert all(each.stats().lost == {} for each in reporters)
    assert sorted(path.name for path in spool.glob("delivering*")) == ["delivering"]


@pytest.mark.parametrize("number", ["not a number", "whatsapp:", "+49 151 1234 5678 9012 3456", ""])
def test_a_number_that_nobody_can_read_costs_the_number_and_not_the_message(
    make: Callable[..., Reporter], server: BadServer, number: str, caplog: pytest.LogCaptureFixture
) -> None:
    reporter = make()
    for count in range(10):
        reporter.requested(f"r{count}", to=number)
        reporter.report(f"r{count}", to=number)
        reporter.report(to=number)
    assert reporter.flush(PATIENCE_S)
    assert server.taken == {f"r{count}": 2 for count in range(10)}
    stats = reporter.stats()
    assert (stats.numbers_left_out, stats.lost) == (30, {"the number can't be read": 10})
    logged = [record.message for record in caplog.records if "number" in record.message]
    assert len(logged) == 2
    assert not number or not any(number in text for text in logged)


def test_what_waits_in_memory_goes_to_the_spool_when_the_reporter_is_closed(
    make: Callable[..., Reporter], tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    reporter = make(DEAD, spool=blocked / "spool")
    reporter.degrade()
    report(reporter, 20)
    blocked.unlink()
    time.sleep(1.1)  # so soon it is tried again
    reporter.close(0)
    assert reporter.stats().lost == {}
    assert reporter.stats().pending == 20
    blocked = tmp_path / "other"
    blocked.write_text("in the way")
    reporter = make(DEAD, spool=blocked / "spool")
    reporter.degrade()
    report(reporter, 20)
    reporter.close(0)
    assert reporter.stats().lost == {"closed before delivery": 20}


def test_a_server_that_invents_error_codes_and_long_reasons_fills_neither_memory_nor_disk(
    make: Callable[..., Reporter], server: BadServer, spool: Path
) -> None:
    def refuse(server: BadServer, heard: Heard, connection: socket.socket) -> bool:
        server.take(heard.ids)
        rejected = [
            {"index": index, "code": f"{id_}{'x' * 2_000}", "message": "no " * 1_000}
            for index, id_ in enumerate(heard.ids)
        ]
        connection.sendall(http(200, {"recorded": 0, "unchanged": 0, "rejected": rejected}))
        return True

    server.answer = refuse
    reporter = make(max_bytes=SMALLEST)
    report(reporter, 500)
    assert reporter.flush(PATIENCE_S)
    stats = reporter.stats()
    assert (stats.rejected, sum(stats.lost.values()) + len(list(DeadLetters(spool)))) == (500, 500)
    assert (spool / "dead-letters.ndjson").stat().st_size <= SMALLEST / 4
