"""`python -m otpconv` is `otpconv`."""

from otpconv.cli.main import run

run()
