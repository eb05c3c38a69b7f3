"""What the guard against replays has admitted outlives the process, whatever happens in between."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from campaigns import rounds
from otpconv.access import nonce_log
from otpconv.access.nonce_log import NonceLog
from otpconv.access.nonces import WINDOW_MS, NonceGuard
from otpconv.errors import OtpconvError, Unavailable

NOW = 1_700_000_000_000
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, 5), st.integers(-WINDOW_MS, WINDOW_MS)),
        st.tuples(st.just("clock"), st.integers(-3 * WINDOW_MS, 3 * WINDOW_MS), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
        st.tuples(st.just("turn"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


def opened(folder: Path) -> tuple[NonceLog, NonceGuard]:
    log = NonceLog(folder / "nonces")
    guard = NonceGuard(keep=log.append)
    guard.restore(log.remembered(), log.floor)
    return log, guard


@settings(max_examples=rounds(150), deadline=None)
@given(STEPS)
def test_no_call_is_ever_admitted_twice_whatever_clock_and_restarts_do(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("nonces")
    log, guard = opened(folder)
    now = NOW
    admitted: set[tuple[int, int]] = set()
    for what, number, away in steps:
        if what == "clock":
            now += number
        elif what == "restart":  # as a kill: nothing is said goodbye to
            log, guard = opened(folder)
        elif what == "turn":
            # As after half an hour: by then the clock of the machine has gone on too.
            now += 2 * WINDOW_MS + 60_000
            log._done_at = 0.0  # noqa: SLF001 - half an hour is long for a test
        else:
            call = number, now + away
            try:
                guard.admit("LTAI", str(number), call[1], now)
            except OtpconvError:
                continue
            assert call not in admitted
            admitted.add(call)
        for number_before, signed_at in sorted(admitted):
            with pytest.raises(OtpconvError):
                guard.admit("LTAI", str(number_before), signed_at, now)


def test_the_files_are_bounded_and_for_their_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nonce_log, "_DONE_RECORDS", 100)
    mask = os.umask(0)
    try:
        log, guard = opened(tmp_path)
        for number in range(1_050):
            guard.admit("LTAI", str(number), NOW, NOW)
    finally:
        os.umask(mask)
    log.sync()
    log.close()
    sizes = {path.name: path.stat().st_size // 16 for path in tmp_path.iterdir()}
    assert sizes == {"nonces.old": 100, "nonces": 50}
    assert {stat.filemode(path.stat().st_mode) for path in tmp_path.iterdir()} == {"-rw-------"}


@pytest.mark.parametrize("cut", range(1, 17))
def test_a_record_that_was_cut_off_hides_no_other(tmp_path: Path, cut: int) -> None:
    log, guard = opened(tmp_path)
    for name in ("a", "b"):
        guard.admit("LTAI", name, NOW, NOW)
    log.close()
    os.truncate(tmp_path / "nonces", 32 - cut)
    log, guard = opened(tmp_path)
    assert guard.knows("LTAI", "a")
    assert not guard.knows("LTAI", "b")
    guard.admit("LTAI", "c", NOW, NOW)
    log.close()
    _, guard = opened(tmp_path)
    assert guard.knows("LTAI", "a")
    assert guard.knows("LTAI", "c")


def test_a_nonce_that_cant_be_kept_is_not_admitted(tmp_path: Path) -> None:
    log, guard = opened(tmp_path)
    (tmp_path / "nonces").mkdir()
    with pytest.raises(Unavailable, match="can't be written"):
        guard.admit("LTAI", "a", NOW, NOW)
    assert not guard.knows("LTAI", "a")
    (tmp_path / "nonces").rmdir()
    guard.admit("LTAI", "a", NOW, NOW)
    log.close()


def test_the_floor_is_kept_where_nonces_are_forgotten(tmp_path: Path) -> None:
    log, guard = opened(tmp_path)
    guard.admit("LTAI", "ahead", NOW + 10 * 60_000, NOW)
    log._done_at = 0.0  # noqa: SLF001 - half an hour is long for a test
    guard.admit("LTAI", "later", NOW + 40 * 60_000, NOW + 40 * 60_000)
    log._done_at = 0.0  # noqa: SLF001
    guard.admit("LTAI", "latest", NOW + 40 * 60_000, NOW + 40 * 60_000)
    log.close()
    _, guard = opened(tmp_path)
    # The clock was wrong for forty minutes, and the first nonce is in no file any more.
    with pytest.raises(OtpconvError):
        guard.admit("LTAI", "ahead", NOW + 10 * 60_000, NOW)
