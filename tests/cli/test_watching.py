"""`--watch`: on a terminal, in a pipe, when the server is away, and at the end."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
from rich.console import Console, RenderableType

from cli.commands import client_of, in_a_process
from otpconv.cli.local_server import LocalServer
from otpconv.cli.terminal import console_of
from otpconv.cli.watching import PAUSE_S, watch
from otpconv.errors import Refused, Unavailable

ALTERNATE_SCREEN, NORMAL_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
CLEAR = "\x1b[2J"


class Looks:
    """Answers of a server, in turn; at the end somebody presses Ctrl-C."""

    def __init__(self, *answers: str | Exception) -> None:
        self._answers = list(answers)
        self.pauses: list[float] = []

    def __call__(self) -> Sequence[RenderableType]:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return (answer,)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if not self._answers:
            raise KeyboardInterrupt


def watched(looks: Looks, console: Console) -> str:
    with console.capture() as captured:
        watch(looks, console, looks.pause)
    return captured.get()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Console]:
    """Makes consoles that believe to be a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    return lambda: console_of(80)


def test_a_pipe_gets_one_answer_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    looks = Looks("one", Unavailable("the server is away"), "two")
    assert watched(looks, console_of(80)) == "one\n\ntwo\n\n"
    assert looks.pauses == [PAUSE_S] * 3
    assert "the server is away; trying again in 5 s" in capsys.readouterr().err


def test_a_terminal_shows_the_newest_without_clearing_and_keeps_the_last(
    terminal: Callable[[], Console],
) -> None:
    shown = watched(Looks("one", "two", Unavailable("the server is away")), terminal())
    screen, _, after = shown.partition(NORMAL_SCREEN)
    assert screen.index(ALTERNATE_SCREEN) < screen.index("one") < screen.index("two")
    assert "the server is away; trying again every 5 s; Ctrl-C ends" in screen
    assert screen.count(CLEAR) == 0
    assert after.split("\n")[0].endswith("two")


def test_a_refusal_ends_it_and_so_does_a_server_that_never_answered(terminal: Callable[[], Console]) -> None:
    with pytest.raises(Refused):
        watched(Looks("one", Refused("no")), terminal())
    with pytest.raises(Unavailable):
        watched(Looks(Unavailable("away")), terminal())


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly_in_a_real_terminal(server: LocalServer, stop: signal.Signals) -> None:
    above, below = pty.openpty()
    settings = {f"OTPCONV_{name.upper()}": value for name, value in client_of(server).items()}
    with subprocess.Popen(
        [sys.executable, "-m", "otpconv", "rates", "--watch"],
        stdin=below,
        stdout=below,
        stderr=subprocess.PIPE,
        env={**os.environ, **settings, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},  # noqa: TID251
        text=True,
    ) as process:
        os.close(below)
        shown = ""
        while "Ctrl-C ends" not in shown:
            shown += os.read(above, 65_536).decode(errors="replace")
        process.send_signal(stop)
        while NORMAL_SCREEN not in shown:
            shown += os.read(above, 65_536).decode(errors="replace")
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    os.close(above)


def test_what_cannot_be_watched_is_refused(server: LocalServer) -> None:
    for option in ("--csv", "--wide"):
        refused = in_a_process("rates", "--watch", option, **client_of(server))
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
