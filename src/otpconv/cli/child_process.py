"""How a process of the server's own begins."""

import os
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO

from otpconv.cli.logs import log_to_stderr
from otpconv.config import Settings, load


def begin(work: Callable[[Settings, BinaryIO], None]) -> None:
    """Do some work until the standard input ends."""
    os.nice(10)  # reports come first
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = load()
    log_to_stderr(settings.log_level)
    work(settings, sys.stdin.buffer)
