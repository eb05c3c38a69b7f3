"""Forks, exits, signals and threads: each report is delivered once, and no process waits for another."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from campaigns import rounds
from faults.bad_server import BadServer, hang, well
from faults.reporting import ACCESS, PATIENCE_S, Reporting, drain, eventually
from otpconv.folder import alone
from otpconv.reporter import Reporter
from otpconv.reporter.segments import segments

#: Nobody listens there.
DEAD = "http://127.0.0.1:9"


@pytest.fixture
def server() -> Iterator[BadServer]:
    with BadServer() as running:
        yield running


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def reporter(server: BadServer, spool: Path) -> Iterator[Reporter]:
    made = Reporter(server.url, *ACCESS, spool=spool, longest_pause_ms=100)
    yield made
    made.close(0.1)


def in_child(work: Callable[[], object]) -> int:
    """Run something in a forked child and return its number; what it raises is its exit code 1."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def exit_code(pid: int) -> int:
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def once(*groups: set[str]) -> Counter[str]:
    return Counter(id_ for group in groups for id_ in group)


def report(reporter: Reporter, name: str, count: int = 20) -> set[str]:
    ids = {f"{name}-{number}" for number in range(count)}
    for id_ in ids:
        reporter.report(id_)
    return ids


@pytest.mark.parametrize("used", [False, True], ids=["before", "after"])
def test_parent_and_child_report_each_once_when_the_fork_is_before_or_after_use(
    server: BadServer, reporter: Reporter, *, used: bool
) -> None:
    ids = report(reporter, "early") if used else set()
    assert reporter.flush(PATIENCE_S)

    def child() -> None:
        stats = reporter.stats()
        assert (stats.reported, stats.delivered, stats.rejected, stats.lost) == (0, 0, 0, {})
        report(reporter, "child")
        assert reporter.flush(PATIENCE_S)
        assert reporter.stats().reported == 20

    pid = in_child(child)
    ids |= report(reporter, "parent")
    assert exit_code(pid) == 0
    assert reporter.flush(PATIENCE_S)
    ids |= {f"child-{number}" for number in range(20)}
    eventually(lambda: set(server.taken), lambda taken: taken == ids)
    if used:  # the parent delivered, always; otherwise the child may have ended in the middle of it
        assert server.taken == once(ids)


def test_a_child_counts_none_of_what_its_parent_set_aside_or_found_damaged(
    reporter: Reporter, spool: Path
) -> None:
    spool.mkdir(exist_ok=True)
    (spool / "x.spool").write_bytes(b"?" * 100 + b"\n")
    reporter.start()
    assert eventually(reporter.stats, lambda stats: stats.damaged > 0).damaged

    def child() -> None:
        assert reporter.stats().damaged == 0

    assert exit_code(in_child(child)) == 0


def test_children_of_multiprocessing_report_too(server: BadServer, reporter: Reporter) -> None:
    ids = report(reporter, "parent")
    assert reporter.flush(
        PATIENCE_S
    )  # it delivers; a child that did might end between an answer and its note
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=report, args=(reporter, f"child{number}")) for number in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(PATIENCE_S)
        assert child.exitcode == 0
    ids |= {f"child{number}-{n}" for number in range(3) for n in range(20)}
    eventually(lambda: set(server.taken), lambda taken: taken == ids)
    assert server.taken == once(ids)


FORKING = """
pid = os.fork()
if pid == 0:
    reporter.report(f"{name}-child")
    os.write(noted, f"{name}-child\\n".encode())
    for _ in range(6000):
        if os.path.exists(spool + "/end"):
            break
        time.sleep(0.01)
    os._exit(0)
time.sleep(60)
"""


def test_a_child_goes_on_delivering_when_its_parent_is_killed(
    server: BadServer, spool: Path, tmp_path: Path
) -> None:
    parent = Reporting(server.url, spool, tmp_path / "notes", "p", count=10, more=FORKING)
    eventually(lambda: set(server.taken), lambda taken: len(taken) == 11)
    server.stop()
    parent.process.kill()
    other = Reporting(server.url, spool, tmp_path / "other", "other", count=10, more="os._exit(0)")
    # The pipe of its errors is the child's too: it is read to its end only then.
    parent.process.wait(PATIENCE_S)
    other.wait()
    server.start()
    eventually(lambda: set(server.taken), lambda taken: len(taken) == 21)
    (spool / "end").touch()
    parent.wait()


@pytest.mark.rounds
def test_a_fork_in_the_middle_of_other_threads_reports_leaves_nothing_locked(
    server: BadServer, reporter: Reporter, spool: Path
) -> None:
    server.stop()
    stopping = threading.Event()
    counts = [0, 0]

    def work(place: int) -> None:
        while not stopping.is_set():
            reporter.report(f"t{place}-{counts[place]}")
            counts[place] += 1

    threads = [threading.Thread(target=work, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    ready, gate = os.pipe()

    def child() -> None:
        os.close(gate)
        reporter.report(f"child-{os.getpid()}")
        os.read(ready, 1)  # until the parent closes the gate

    children = []
    for _ in range(rounds(30, at_least=10)):
        children.append(in_child(child))
        time.sleep(0.01)
    stopping.set()
    for thread in threads:
        thread.join()
    with alone(spool, within_ms=5_000):
        pass
    reporter.close(0)
    os.close(gate)
    os.close(ready)
    assert {exit_code(pid) for pid in children} == {0}
    server.start()
    drain(server.url, spool)
    assert segments(spool) == []
    wanted = {f"t{place}-{number}" for place in (0, 1) for number in range(counts[place])}
    assert set(server.taken) == wanted | {f"child-{pid}" for pid in children}


def test_an_exit_without_close_delivers_what_there_is(server: BadServer, spool: Path, tmp_path: Path) -> None:
    for name, where in (("durable", spool), ("memory", ":memory:")):
        child = Reporting(server.url, where, tmp_path / name, name, count=50)
        assert child.wait() == 0
        assert child.words == ""
        assert {f"{name}-{number}" for number in range(50)} <= set(server.taken)


@pytest.mark.parametrize("where", ["spool", ":memory:"])
@pytest.mark.parametrize("dead", [True, False], ids=["refusing", "hanging"])
def test_a_dead_server_hardly_delays_an_exit(
    server: BadServer, tmp_path: Path, where: str, *, dead: bool
) -> None:
    server.answer = hang
    at = where if where == ":memory:" else str(tmp_path / where)
    more = "print(time.monotonic(), file=sys.stderr)"
    child = Reporting(DEAD if dead else server.url, at, tmp_path / "notes", "c", count=20, more=more)
    assert child.wait() == 0
    ended = time.monotonic()
    began = float(child.words.splitlines()[0])
    # A second for the reports; the rest is the interpreter's, on a machine with other work.
    assert ended - began < 3
    if at != ":memory:":
        server.answer = well
        drain(server.url, at)
        assert set(server.taken) == set(child.returned())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_ends_a_process_in_the_middle_costs_no_report_that_returned(
    server: BadServer, spool: Path, tmp_path: Path, number: signal.Signals
) -> None:
    child = Reporting(server.url, spool, tmp_path / "notes", "c")
    eventually(child.returned, lambda returned: len(returned) > 500)
    assert child.end(number) in {-number, 1}
    drain(server.url, spool)
    returned = set(child.returned())
    assert returned <= set(server.taken)
    assert len(set(server.taken) - returned) <= 1


#: Python runs a signal handler when it enters or leaves a function, also in the hooks of a fork, and swallows
#: what the handler raises there.
INTERRUPTED_FORK = """
import functools, logging, os, signal, sys, threading
signal.signal(signal.SIGALRM, signal.default_int_handler)
# Neither runs a signal handler itself. Before a fork, hooks run in the reverse order of registration.
interrupt = functools.partial(signal.setitimer, signal.ITIMER_REAL, 1e-6)
wait = functools.partial(sum, range(1_000_000))
if sys.argv[1] == "after":
    os.register_at_fork(after_in_parent=interrupt)
    os.register_at_fork(after_in_parent=wait)
from otpconv.reporter import Reporter
if sys.argv[1] == "before":
    os.register_at_fork(before=wait)
    os.register_at_fork(before=interrupt)
reporter = Reporter(sys.argv[2], *sys.argv[4:6], spool=sys.argv[3])
reporter.report("early")
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
other = threading.Thread(target=reporter.report, args=["late"], daemon=True)
other.start()
other.join(20)
sys.exit(other.is_alive())
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_in_the_hooks_of_a_fork_leaves_nothing_locked(
    server: BadServer, spool: Path, when: str
) -> None:
    command = [sys.executable, "-c", INTERRUPTED_FORK, when, server.url, str(spool), *ACCESS]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)  # noqa: S603 - our own program
    assert ended.returncode == 0, ended.stderr
    assert "otpconv" in ended.stderr
    assert "KeyboardInterrupt" in ended.stderr
    assert set(server.taken) == {"early", "late"}


INTERRUPTS = rounds(3_000, at_least=500)
INTERRUPTED = """
signal.signal(signal.SIGALRM, signal.default_int_handler)
interrupts = 0
while interrupts < {interrupts}:
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0002 + interrupts % 97 * 1e-5)
        while True:
            reporter.report(f"{name}-{number}")
            reporter.flush(0)
    except KeyboardInterrupt:
        interrupts += 1
assert reporter.flush(20), reporter.stats()
"""


@pytest.mark.rounds
def test_interrupts_in_the_middle_of_reports_and_flushes_leave_nothing_locked(
    server: BadServer, spool: Path, tmp_path: Path
) -> None:
    child = Reporting(
        server.url,
        spool,
        tmp_path / "notes",
        "c",
        count=1,
        more=INTERRUPTED.replace("{interrupts}", str(INTERRUPTS)),
    )
    assert child.wait() == 0, child.words


SIGNALLED_REPORTS = rounds(60_000, at_least=20_000)
SIGNALLED = """
handled = 0
def handle(*_):
    global handled
    handled += 1
    reporter.report(f"handler-{handled}")
import signal
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
for number in range({reports}):
    reporter.report(f"main-{number}")
signal.setitimer(signal.ITIMER_REAL, 0)
os.write(noted, f"{handled}\\n".encode())
"""


@pytest.mark.rounds
def test_a_signal_handler_reports_in_the_middle_of_a_report(
    server: BadServer, spool: Path, tmp_path: Path
) -> None:
    child = Reporting(
        server.url,
        spool,
        tmp_path / "notes",
        "c",
        count=1,
        more=SIGNALLED.replace("{reports}", str(SIGNALLED_REPORTS)),
    )
    assert child.wait() == 0, child.words
    drain(server.url, spool)
    handled = int(child.returned()[-1])
    assert handled > 100
    wanted = {f"main-{n}" for n in range(SIGNALLED_REPORTS)} | {f"handler-{n + 1}" for n in range(handled)}
    assert set(server.taken) == wanted | {"c-0"}


def test_many_threads_report_at_once(server: BadServer, reporter: Reporter) -> None:
    threads = [threading.Thread(target=report, args=(reporter, f"t{n}", 500)) for n in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reporter.flush(PATIENCE_S)
    assert server.taken == once({f"t{n}-{number}" for n in range(32) for number in range(500)})
    stats = reporter.stats()
    assert (stats.reported, stats.delivered, stats.lost) == (16_000, 16_000, {})


def test_memory_keeps_its_count_while_many_threads_report(server: BadServer) -> None:
    reporter = Reporter(server.url, *ACCESS, spool=":memory:")
    threads = [threading.Thread(target=report, args=(reporter, f"t{n}", 1_000)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reporter.flush(PATIENCE_S)
    stats = reporter.stats()
    assert (stats.pending, stats.pending_bytes, stats.delivered) == (0, 0, 8_000)
    reporter.close()
