"""The entry of the relay's process, which the server starts: `python -m otpconv.cli.relay_process`."""

from otpconv.cli.child_process import begin
from otpconv.service.relay_process import run_relay

if __name__ == "__main__":
    begin(run_relay)
