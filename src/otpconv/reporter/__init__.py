"""The client: takes a report in microseconds, spools it, and delivers it in the background."""

from otpconv.delivery.credentials import Credentials
from otpconv.delivery.destination import MEMORY
from otpconv.reporter.aio import AsyncReporter
from otpconv.reporter.reporter import Reporter
from otpconv.reporter.tally import Stats

__all__ = ["MEMORY", "AsyncReporter", "Credentials", "Reporter", "Stats"]
