"""The entry of the detectors' process, which the server starts: `python -m otpconv.cli.alerting_process`."""

from otpconv.cli.child_process import begin
from otpconv.service.alerting_process import run_alerting

if __name__ == "__main__":
    begin(run_alerting)
