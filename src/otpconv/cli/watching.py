"""Shows something again and again until Ctrl-C, for `--watch`."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live

from otpconv.cli.terminal import note, show
from otpconv.errors import Unavailable

#: How long to wait between an answer and the next question, s: a slow server is asked less often.
PAUSE_S = 5.0

_Parts = Sequence[RenderableType]


def watch(
    look: Callable[[], _Parts], console: Console, pause: Callable[[float], object] = time.sleep
) -> None:
    """Show what `look` returns, and again after each pause, until Ctrl-C or SIGTERM.

    A terminal shows the newest on a screen of its own, and keeps the last one at the end. A file or a pipe
    gets each one after the other. When the server can't answer, it is asked again after the pause.

    Args:
        look: asks the server, and returns the parts to show, from top to bottom; none if it printed them.
        console: of standard output.
        pause: waits for a number of seconds.

    Raises:
        Refused: the server refuses the question.
        Unavailable: the server did not answer the first question.
    """
    with _stopped_by_signals():
        shown = look()
        if console.is_terminal:
            shown = _on_a_screen(look, shown, console, pause)
            show(shown, console)
        else:
            _one_after_the_other(look, shown, console, pause)


def _on_a_screen(
    look: Callable[[], _Parts], shown: _Parts, console: Console, pause: Callable[[float], object]
) -> _Parts:
    """Show the newest until a signal, and return the last one."""
    state = ""
    try:
        # Live overwrites the lines; clearing the screen first would flicker.
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(Group(*shown, "", f"{state}every {PAUSE_S:.0f} s; Ctrl-C ends"), refresh=True)
                pause(PAUSE_S)
                try:
                    shown, state = look(), ""
                except Unavailable as error:
                    state = f"{error.text}; trying again "
    except KeyboardInterrupt:
        return shown


def _one_after_the_other(
    look: Callable[[], _Parts], shown: _Parts, console: Console, pause: Callable[[float], object]
) -> None:
    try:
        while True:
            if shown:
                show((*shown, ""), console)
            sys.stdout.flush()
            pause(PAUSE_S)
            try:
                shown = look()
            except Unavailable as error:
                note(f"{error.text}; trying again in {PAUSE_S:.0f} s")
                shown = ()
    except KeyboardInterrupt:
        return


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM end what runs like Ctrl-C, so that the terminal is always put in order."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
