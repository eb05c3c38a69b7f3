"""The entry of the relay's process, which the server starts: `python -m otpconv.cli.relay_process`."""

import os
import signal
import sys

from otpconv.cli.logs import log_to_stderr
from otpconv.config import load
from otpconv.service.relay_process import run_relay


def main() -> None:
    """Relay until the standard input ends."""
    os.nice(10)  # reports come first
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = load()
    log_to_stderr(settings.log_level)
    run_relay(settings, sys.stdin.buffer)


if __name__ == "__main__":
    main()
